mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  name        = "totelake-test"
  description = "Runs."
  steps = [
    { name = "ingest", job = "the-ingest" },
    { name = "transform", job = "the-transform" },
    { name = "load", job = "the-load" },
  ]
}

run "stages_run_in_sequence" {
  module {
    source = "./modules/workflow"
  }

  assert {
    condition     = aws_glue_workflow.this.max_concurrent_runs == 1
    error_message = "Only one run is active at a time."
  }

  assert {
    condition = [for trigger in [aws_glue_trigger.first, aws_glue_trigger.second, aws_glue_trigger.third[0]] :
      trigger.type
    ] == ["ON_DEMAND", "CONDITIONAL", "CONDITIONAL"]
    error_message = "There is one start trigger; the others depend on the previous step."
  }

  assert {
    condition     = aws_glue_trigger.first.actions[0].job_name == "the-ingest" && aws_glue_trigger.first.enabled == false
    error_message = "The start trigger starts the first step, but not at creation."
  }

  assert {
    condition = { for trigger in [aws_glue_trigger.second, aws_glue_trigger.third[0]] :
      trigger.name => [trigger.predicate[0].conditions[0].job_name, trigger.predicate[0].conditions[0].state]
      } == {
      "totelake-test-transform" = ["the-ingest", "SUCCEEDED"]
      "totelake-test-load"      = ["the-transform", "SUCCEEDED"]
    }
    error_message = "Each trigger requires the success of the previous job."
  }

  assert {
    condition = [for trigger in [aws_glue_trigger.second, aws_glue_trigger.third[0]] :
      trigger.actions[0].job_name
    ] == ["the-transform", "the-load"]
    error_message = "Each trigger starts the step that it is named for."
  }

  assert {
    condition = toset([for trigger in [aws_glue_trigger.first, aws_glue_trigger.second, aws_glue_trigger.third[0]] :
      trigger.workflow_name
    ]) == toset(["totelake-test"])
    error_message = "All triggers belong to the workflow."
  }
}

run "job_runs_after_a_crawler" {
  module {
    source = "./modules/workflow"
  }

  variables {
    steps = [{ name = "crawl", crawler = "the-crawler" }, { name = "drift", job = "the-drift" }]
  }

  assert {
    condition     = aws_glue_trigger.first.actions[0].crawler_name == "the-crawler"
    error_message = "The start trigger starts the crawler."
  }

  assert {
    condition = [for condition in aws_glue_trigger.second.predicate[0].conditions :
      [condition.crawler_name, condition.crawl_state]
    ] == [["the-crawler", "SUCCEEDED"]]
    error_message = "The condition on a crawler uses crawl_state."
  }

  assert {
    condition     = aws_glue_trigger.second.actions[0].job_name == "the-drift" && length(aws_glue_trigger.third) == 0
    error_message = "The job is the last step."
  }
}

run "step_with_job_and_crawler_is_refused" {
  command = plan

  module {
    source = "./modules/workflow"
  }

  variables {
    steps = [{ name = "crawl", crawler = "the-crawler", job = "the-job" }, { name = "drift", job = "the-drift" }]
  }

  expect_failures = [var.steps]
}

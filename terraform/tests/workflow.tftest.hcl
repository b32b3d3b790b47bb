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

run "the_stages_follow_each_other" {
  module {
    source = "./modules/workflow"
  }

  assert {
    condition     = aws_glue_workflow.this.max_concurrent_runs == 1
    error_message = "One run at a time."
  }

  assert {
    condition = [for trigger in [aws_glue_trigger.first, aws_glue_trigger.second, aws_glue_trigger.third[0]] :
      trigger.type
    ] == ["ON_DEMAND", "CONDITIONAL", "CONDITIONAL"]
    error_message = "One start trigger; the others wait for the step before."
  }

  assert {
    condition     = aws_glue_trigger.first.actions[0].job_name == "the-ingest" && aws_glue_trigger.first.enabled == false
    error_message = "The start trigger starts the first step, and not when it is made."
  }

  assert {
    condition = { for trigger in [aws_glue_trigger.second, aws_glue_trigger.third[0]] :
      trigger.name => [trigger.predicate[0].conditions[0].job_name, trigger.predicate[0].conditions[0].state]
      } == {
      "totelake-test-transform" = ["the-ingest", "SUCCEEDED"]
      "totelake-test-load"      = ["the-transform", "SUCCEEDED"]
    }
    error_message = "Each waits for the success of the job before; Glue cannot listen for ERROR."
  }

  assert {
    condition = [for trigger in [aws_glue_trigger.second, aws_glue_trigger.third[0]] :
      trigger.actions[0].job_name
    ] == ["the-transform", "the-load"]
    error_message = "Each trigger starts what it is named for."
  }

  assert {
    condition = toset([for trigger in [aws_glue_trigger.first, aws_glue_trigger.second, aws_glue_trigger.third[0]] :
      trigger.workflow_name
    ]) == toset(["totelake-test"])
    error_message = "All triggers belong to the workflow."
  }
}

run "a_job_follows_a_crawler" {
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
    error_message = "A crawler's end has a word of its own."
  }

  assert {
    condition     = aws_glue_trigger.second.actions[0].job_name == "the-drift" && length(aws_glue_trigger.third) == 0
    error_message = "The job follows, and nothing after it."
  }
}

run "a_step_that_is_job_and_crawler_is_refused" {
  command = plan

  module {
    source = "./modules/workflow"
  }

  variables {
    steps = [{ name = "crawl", crawler = "the-crawler", job = "the-job" }, { name = "drift", job = "the-drift" }]
  }

  expect_failures = [var.steps]
}

mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  name    = "totelake-test"
  jobs    = { ingest = "the-ingest", transform = "the-transform", load = "the-load" }
  crawler = "the-crawler"
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
    condition = [for trigger in [
      aws_glue_trigger.start, aws_glue_trigger.transform, aws_glue_trigger.load, aws_glue_trigger.crawl[0],
    ] : trigger.type] == ["ON_DEMAND", "CONDITIONAL", "CONDITIONAL", "CONDITIONAL"]
    error_message = "One start trigger; the others wait for a job."
  }

  assert {
    condition     = aws_glue_trigger.start.actions[0].job_name == "the-ingest" && aws_glue_trigger.start.enabled == false
    error_message = "The start trigger starts the ingest, and not when it is made."
  }

  assert {
    condition = { for trigger in [aws_glue_trigger.transform, aws_glue_trigger.load, aws_glue_trigger.crawl[0]] :
      trigger.name => [trigger.predicate[0].conditions[0].job_name, trigger.predicate[0].conditions[0].state]
      } == {
      "totelake-test-transform" = ["the-ingest", "SUCCEEDED"]
      "totelake-test-load"      = ["the-transform", "SUCCEEDED"]
      "totelake-test-crawl"     = ["the-ingest", "SUCCEEDED"]
    }
    error_message = "Each waits for the success of the job before; Glue cannot listen for ERROR."
  }

  assert {
    condition = [
      aws_glue_trigger.transform.actions[0].job_name, aws_glue_trigger.load.actions[0].job_name,
      aws_glue_trigger.crawl[0].actions[0].crawler_name,
    ] == ["the-transform", "the-load", "the-crawler"]
    error_message = "Each trigger starts what it is named for."
  }

  assert {
    condition = toset([for trigger in [
      aws_glue_trigger.start, aws_glue_trigger.transform, aws_glue_trigger.load, aws_glue_trigger.crawl[0],
    ] : trigger.workflow_name]) == toset(["totelake-test"])
    error_message = "All triggers belong to the workflow."
  }
}

run "the_crawler_can_be_left_out" {
  module {
    source = "./modules/workflow"
  }

  variables {
    crawl = false
  }

  assert {
    condition     = length(aws_glue_trigger.crawl) == 0
    error_message = "Without crawl there is no trigger for it."
  }
}

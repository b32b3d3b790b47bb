locals {
  # Trigger condition of the step after each step.
  succeeded = [for step in var.steps : {
    job_name     = step.job
    state        = step.job == null ? null : "SUCCEEDED"
    crawler_name = step.crawler
    crawl_state  = step.crawler == null ? null : "SUCCEEDED"
  }]
}

resource "aws_glue_workflow" "this" {
  name                = var.name
  description         = var.description
  max_concurrent_runs = 1
}

# Not a `for_each`: Glue refuses to add two triggers to one workflow concurrently, so each depends on the previous one.
resource "aws_glue_trigger" "first" {
  name          = "${var.name}-start"
  description   = "Starts a run with ${var.steps[0].name}."
  type          = "ON_DEMAND"
  workflow_name = aws_glue_workflow.this.name
  # If enabled, the provider fires the trigger at creation, which would start a run in every new environment.
  enabled = false

  actions {
    job_name     = var.steps[0].job
    crawler_name = var.steps[0].crawler
  }
}

resource "aws_glue_trigger" "second" {
  name          = "${var.name}-${var.steps[1].name}"
  description   = "Starts ${var.steps[1].name} when ${var.steps[0].name} has succeeded."
  type          = "CONDITIONAL"
  workflow_name = aws_glue_workflow.this.name

  predicate {
    conditions {
      job_name     = local.succeeded[0].job_name
      state        = local.succeeded[0].state
      crawler_name = local.succeeded[0].crawler_name
      crawl_state  = local.succeeded[0].crawl_state
    }
  }

  actions {
    job_name     = var.steps[1].job
    crawler_name = var.steps[1].crawler
  }

  depends_on = [aws_glue_trigger.first]
}

resource "aws_glue_trigger" "third" {
  count = length(var.steps) == 3 ? 1 : 0

  name          = "${var.name}-${var.steps[2].name}"
  description   = "Starts ${var.steps[2].name} when ${var.steps[1].name} has succeeded."
  type          = "CONDITIONAL"
  workflow_name = aws_glue_workflow.this.name

  predicate {
    conditions {
      job_name     = local.succeeded[1].job_name
      state        = local.succeeded[1].state
      crawler_name = local.succeeded[1].crawler_name
      crawl_state  = local.succeeded[1].crawl_state
    }
  }

  actions {
    job_name     = var.steps[2].job
    crawler_name = var.steps[2].crawler
  }

  depends_on = [aws_glue_trigger.second]
}

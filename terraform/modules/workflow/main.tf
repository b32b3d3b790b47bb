resource "aws_glue_workflow" "this" {
  name                = var.name
  description         = "Brings what changed in totesys into the lake and on to the warehouse."
  max_concurrent_runs = 1
}

# Glue refuses to add two triggers to one workflow at the same time, so each waits for the one before.
resource "aws_glue_trigger" "start" {
  name          = "${var.name}-start"
  description   = "Starts a run with the ingest."
  type          = "ON_DEMAND"
  workflow_name = aws_glue_workflow.this.name
  # Enabled, the provider would fire it: every new environment would begin with a run nobody asked for.
  enabled = false

  actions {
    job_name = var.jobs.ingest
  }
}

resource "aws_glue_trigger" "transform" {
  name          = "${var.name}-transform"
  description   = "Builds the star schemas from what was ingested."
  type          = "CONDITIONAL"
  workflow_name = aws_glue_workflow.this.name

  predicate {
    conditions {
      job_name = var.jobs.ingest
      state    = "SUCCEEDED"
    }
  }

  actions {
    job_name = var.jobs.transform
  }

  depends_on = [aws_glue_trigger.start]
}

resource "aws_glue_trigger" "load" {
  name          = "${var.name}-load"
  description   = "Loads the star schemas into the warehouse."
  type          = "CONDITIONAL"
  workflow_name = aws_glue_workflow.this.name

  predicate {
    conditions {
      job_name = var.jobs.transform
      state    = "SUCCEEDED"
    }
  }

  actions {
    job_name = var.jobs.load
  }

  depends_on = [aws_glue_trigger.transform]
}

resource "aws_glue_trigger" "crawl" {
  count = var.crawl ? 1 : 0

  name          = "${var.name}-crawl"
  description   = "Has the crawler look at what was ingested."
  type          = "CONDITIONAL"
  workflow_name = aws_glue_workflow.this.name

  predicate {
    conditions {
      job_name = var.jobs.ingest
      state    = "SUCCEEDED"
    }
  }

  actions {
    crawler_name = var.crawler
  }

  depends_on = [aws_glue_trigger.load]
}

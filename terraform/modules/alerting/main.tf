data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}
data "aws_region" "current" {}

locals {
  account   = data.aws_caller_identity.current.account_id
  partition = data.aws_partition.current.partition
  region    = data.aws_region.current.name

  console = "https://${local.region}.console.aws.amazon.com/cloudwatch/home?region=${local.region}"
  # The console requires double URL encoding of slashes, with $ in place of the second %.
  log = "${local.console}#logsV2:log-groups/log-group/${replace(var.log_group, "/", "$252F")}/log-events/<run>"
}

resource "aws_sns_topic" "this" {
  name              = "${var.prefix}-alerts"
  display_name      = "Alerts of ${var.prefix}"
  kms_master_key_id = var.kms_key_arn
}

resource "aws_sns_topic_policy" "this" {
  arn = aws_sns_topic.this.arn

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid       = "AllowEventBridgePublish"
        Effect    = "Allow"
        Principal = { Service = "events.amazonaws.com" }
        Action    = "sns:Publish"
        Resource  = aws_sns_topic.this.arn
        Condition = {
          StringEquals = { "aws:SourceAccount" = local.account }
          ArnEquals = {
            "aws:SourceArn" = [aws_cloudwatch_event_rule.job_failed.arn, aws_cloudwatch_event_rule.crawler_failed.arn]
          }
        }
      },
      {
        Sid       = "AllowCloudWatchPublish"
        Effect    = "Allow"
        Principal = { Service = "cloudwatch.amazonaws.com" }
        Action    = "sns:Publish"
        Resource  = aws_sns_topic.this.arn
        Condition = {
          StringEquals = { "aws:SourceAccount" = local.account }
          ArnLike      = { "aws:SourceArn" = "arn:${local.partition}:cloudwatch:${local.region}:${local.account}:alarm:${var.prefix}-*" }
        }
      },
      {
        Sid       = "AllowBudgetsPublish"
        Effect    = "Allow"
        Principal = { Service = "budgets.amazonaws.com" }
        Action    = "sns:Publish"
        Resource  = aws_sns_topic.this.arn
        Condition = {
          StringEquals = { "aws:SourceAccount" = local.account }
          ArnLike      = { "aws:SourceArn" = "arn:${local.partition}:budgets::${local.account}:*" }
        }
      },
      {
        Sid       = "DenyInsecureTransport"
        Effect    = "Deny"
        Principal = "*"
        Action    = "sns:Publish"
        Resource  = aws_sns_topic.this.arn
        Condition = { Bool = { "aws:SecureTransport" = "false" } }
      },
    ]
  })
}

resource "aws_sns_topic_subscription" "email" {
  count = var.email == null ? 0 : 1

  topic_arn = aws_sns_topic.this.arn
  protocol  = "email"
  endpoint  = var.email
}

# Glue emits no events for workflows or for jobs in the state ERROR: a run that could not start is in the schedule's
# dead-letter queue.
resource "aws_cloudwatch_event_rule" "job_failed" {
  name        = "${var.prefix}-job-failed"
  description = "A job of ${var.prefix} failed, timed out or was stopped."

  event_pattern = jsonencode({
    source        = ["aws.glue"]
    "detail-type" = ["Glue Job State Change"]
    detail = {
      jobName = var.jobs
      state   = ["FAILED", "TIMEOUT", "STOPPED"]
    }
  })
}

resource "aws_cloudwatch_event_target" "topic" {
  rule      = aws_cloudwatch_event_rule.job_failed.name
  target_id = "topic"
  arn       = aws_sns_topic.this.arn

  input_transformer {
    input_paths = {
      job     = "$.detail.jobName"
      message = "$.detail.message"
      run     = "$.detail.jobRunId"
      state   = "$.detail.state"
      time    = "$.time"
    }

    # EventBridge requires each line of a text template in quotes.
    input_template = join("\n", [for line in [
      "The Glue job <job> ended as <state> at <time>.",
      "Error: <message>",
      "Run: <run>",
      "Log: stream <run> of the log group ${var.log_group}, ${local.log}",
      "Committed data is not affected; the next run continues from the last commit.",
    ] : "\"${line}\""])
  }

  depends_on = [aws_sns_topic_policy.this]
}

# A failed crawl is reported separately, because the drift check does not run after it.
resource "aws_cloudwatch_event_rule" "crawler_failed" {
  name        = "${var.prefix}-crawler-failed"
  description = "A crawler of ${var.prefix} failed."

  event_pattern = jsonencode({
    source        = ["aws.glue"]
    "detail-type" = ["Glue Crawler State Change"]
    detail        = { crawlerName = var.crawlers, state = ["Failed"] }
  })
}

resource "aws_cloudwatch_event_target" "crawler_topic" {
  rule      = aws_cloudwatch_event_rule.crawler_failed.name
  target_id = "topic"
  arn       = aws_sns_topic.this.arn

  input_transformer {
    input_paths = {
      crawler = "$.detail.crawlerName"
      log     = "$.detail.cloudWatchLogLink"
      message = "$.detail.errorMessage"
      time    = "$.time"
    }

    input_template = join("\n", [for line in [
      "The Glue crawler <crawler> failed at <time>.",
      "Error: <message>",
      "Log: <log>",
      "The drift check did not run. The lake and the warehouse are not affected.",
    ] : "\"${line}\""])
  }

  depends_on = [aws_sns_topic_policy.this]
}

data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}
data "aws_region" "current" {}

locals {
  account   = data.aws_caller_identity.current.account_id
  partition = data.aws_partition.current.partition
  region    = data.aws_region.current.name

  console = "https://${local.region}.console.aws.amazon.com/cloudwatch/home?region=${local.region}"
  # The console requires double URL encoding of slashes, with $ in place of the second %.
  logs = {
    for kind, group in var.log_groups :
    kind => "${local.console}#logsV2:log-groups/log-group/${replace(group, "/", "$252F")}/log-events/<run>"
  }

  queue = "${var.prefix}-alerts-undelivered"
  rules = { job-failed = aws_cloudwatch_event_rule.job_failed, crawler-failed = aws_cloudwatch_event_rule.crawler_failed }
}

resource "aws_sns_topic" "this" {
  name              = "${var.prefix}-alerts"
  display_name      = "Alerts of ${var.prefix}"
  kms_master_key_id = var.kms_key_arn
}

resource "aws_sns_topic_policy" "this" {
  arn = aws_sns_topic.this.arn

  # EventBridge publishes with the role below. A statement for events.amazonaws.com could have no Condition, which
  # EventBridge does not support in the policy of a topic, and would admit the rules of every account.
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
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

module "role" {
  source = "../role"

  name        = "${var.prefix}-alerts"
  description = "Lets EventBridge publish alerts of ${var.prefix}."
  service     = "events.amazonaws.com"
  source_arn  = "arn:${local.partition}:events:${local.region}:${local.account}:rule/${var.prefix}-*"

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat(
      [{
        Sid      = "Publish"
        Effect   = "Allow"
        Action   = ["sns:Publish"]
        Resource = [aws_sns_topic.this.arn]
      }],
      [for arn in var.kms_key_arn[*] : {
        Sid       = "EncryptMessages"
        Effect    = "Allow"
        Action    = ["kms:Decrypt", "kms:GenerateDataKey"]
        Resource  = [arn]
        Condition = { StringEquals = { "kms:ViaService" = ["sns.${local.region}.amazonaws.com"] } }
      }],
    )
  })

  role_defaults = var.role_defaults
}

# Alerts that could not be published. The queue is encrypted by SQS's own key: EventBridge sends to a dead-letter queue
# without a role, and supports no Condition in the policy of a key.
resource "aws_sqs_queue" "undelivered" {
  count = var.keep_undelivered ? 1 : 0

  name                      = local.queue
  message_retention_seconds = 1209600 # 14 days, the maximum of SQS
  sqs_managed_sse_enabled   = true

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "AllowEventBridgeSend"
      Effect    = "Allow"
      Principal = { Service = "events.amazonaws.com" }
      Action    = "sqs:SendMessage"
      Resource  = "arn:${local.partition}:sqs:${local.region}:${local.account}:${local.queue}"
      Condition = { ArnEquals = { "aws:SourceArn" = [for rule in local.rules : rule.arn] } }
    }]
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

# The templates are JSON objects: outside of quotation marks EventBridge writes a value as JSON, so that quotation marks
# and line breaks of a message are escaped; within them it does not escape, so only names and ids are there.
resource "aws_cloudwatch_event_target" "topic" {
  rule      = aws_cloudwatch_event_rule.job_failed.name
  target_id = "topic"
  arn       = aws_sns_topic.this.arn
  role_arn  = module.role.arn

  input_transformer {
    input_paths = {
      job     = "$.detail.jobName"
      message = "$.detail.message"
      run     = "$.detail.jobRunId"
      state   = "$.detail.state"
      time    = "$.time"
    }

    # Glue 5 and later write the standard output and error of a run to the group output.
    input_template = <<-JSON
      {
        "alert": "The Glue job <job> ended as <state>.",
        "job": <job>,
        "run": <run>,
        "time": <time>,
        "error": <message>,
        "log": "${local.logs.output}",
        "system_log": "${local.logs.error}",
        "data": "Committed data is not affected; the next run continues from the last commit."
      }
    JSON
  }

  dynamic "dead_letter_config" {
    for_each = aws_sqs_queue.undelivered

    content {
      arn = dead_letter_config.value.arn
    }
  }
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
  role_arn  = module.role.arn

  input_transformer {
    input_paths = {
      crawler = "$.detail.crawlerName"
      log     = "$.detail.cloudWatchLogLink"
      message = "$.detail.errorMessage"
      time    = "$.time"
    }

    input_template = <<-JSON
      {
        "alert": "The Glue crawler <crawler> failed.",
        "crawler": <crawler>,
        "time": <time>,
        "error": <message>,
        "log": <log>,
        "data": "The drift check did not run. The lake and the warehouse are not affected."
      }
    JSON
  }

  dynamic "dead_letter_config" {
    for_each = aws_sqs_queue.undelivered

    content {
      arn = dead_letter_config.value.arn
    }
  }
}

data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}
data "aws_region" "current" {}

locals {
  account   = data.aws_caller_identity.current.account_id
  partition = data.aws_partition.current.partition
  region    = data.aws_region.current.name
  name      = "${var.target.name}-run"
  arn       = "arn:${local.partition}:scheduler:${local.region}:${local.account}:schedule/default/${local.name}"

  # The Glue API call that starts the target.
  operation = { workflow = "StartWorkflowRun", job = "StartJobRun" }[var.target.kind]
  request = {
    workflow = jsonencode({
      Name          = var.target.name
      RunProperties = { logical_date = "<aws.scheduler.scheduled-time>" }
    })
    job = jsonencode({ JobName = var.target.name })
  }[var.target.kind]

  # Scheduler replaces its context keywords literally, but jsonencode escapes their angle brackets.
  input = replace(replace(local.request, "\\u003c", "<"), "\\u003e", ">")
}

resource "aws_scheduler_schedule" "this" {
  name                         = local.name
  description                  = "Runs the ${var.target.kind} ${var.target.name}."
  schedule_expression          = var.expression
  schedule_expression_timezone = var.timezone
  state                        = var.enabled ? "ENABLED" : "DISABLED"
  kms_key_arn                  = var.kms_key_arn

  flexible_time_window {
    mode = "OFF"
  }

  target {
    arn      = "arn:${local.partition}:scheduler:::aws-sdk:glue:s${substr(local.operation, 1, -1)}"
    role_arn = module.role.arn
    input    = local.input

    # No retries after the next scheduled start, which does the same work.
    retry_policy {
      maximum_event_age_in_seconds = 600
      maximum_retry_attempts       = 3
    }

    dynamic "dead_letter_config" {
      for_each = aws_sqs_queue.missed

      content {
        arn = dead_letter_config.value.arn
      }
    }
  }
}

resource "aws_sqs_queue" "missed" {
  count = var.keep_missed ? 1 : 0

  name                      = "${local.name}-missed"
  message_retention_seconds = 1209600 # 14 days, the maximum of SQS
  kms_master_key_id         = var.kms_key_arn
  sqs_managed_sse_enabled   = var.kms_key_arn == null ? true : null # mutually exclusive with a KMS key
}

module "role" {
  source = "../role"

  name        = local.name
  description = "Lets EventBridge Scheduler start the ${var.target.kind} ${var.target.name}."
  service     = "scheduler.amazonaws.com"
  # Scheduler passes the ARN of the schedule group, not of the schedule.
  source_arn = "arn:${local.partition}:scheduler:${local.region}:${local.account}:schedule-group/default"

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat(
      [{
        Sid      = "StartTarget"
        Effect   = "Allow"
        Action   = ["glue:${local.operation}"]
        Resource = [var.target.arn]
      }],
      [for queue in aws_sqs_queue.missed : {
        Sid      = "SendToDeadLetterQueue"
        Effect   = "Allow"
        Action   = ["sqs:SendMessage"]
        Resource = [queue.arn]
      }],
      [for arn in var.kms_key_arn[*] : {
        Sid       = "DecryptSchedule"
        Effect    = "Allow"
        Action    = ["kms:Decrypt"]
        Resource  = [arn]
        Condition = { StringEquals = { "kms:EncryptionContext:aws:scheduler:schedule:arn" = [local.arn] } }
      }],
      [for arn in length(aws_sqs_queue.missed) > 0 ? var.kms_key_arn[*] : [] : {
        Sid       = "EncryptDeadLetterQueue"
        Effect    = "Allow"
        Action    = ["kms:Decrypt", "kms:GenerateDataKey"]
        Resource  = [arn]
        Condition = { StringEquals = { "kms:ViaService" = ["sqs.${local.region}.amazonaws.com"] } }
      }],
    )
  })

  role_defaults = var.role_defaults
}

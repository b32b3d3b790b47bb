mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  prefix = "totelake-test"
  jobs   = ["totelake-test-ingest", "totelake-test-load"]
  email  = "someone@example.com"

  crawlers = ["totelake-test-ingested"]

  log_groups = {
    output = "/aws-glue/jobs/totelake-test-role/<job>/output"
    error  = "/aws-glue/jobs/totelake-test-role/<job>/error"
  }
}

run "failed_job_sends_an_e_mail" {
  module {
    source = "./modules/alerting"
  }

  assert {
    condition = aws_cloudwatch_event_rule.job_failed.event_pattern == jsonencode({
      source        = ["aws.glue"]
      "detail-type" = ["Glue Job State Change"]
      detail        = { jobName = var.jobs, state = ["FAILED", "TIMEOUT", "STOPPED"] }
    })
    error_message = "The rule matches failed states of our jobs; Glue emits no event for ERROR."
  }

  assert {
    condition = alltrue([
      for name in keys(aws_cloudwatch_event_target.topic.input_transformer[0].input_paths) :
      strcontains(aws_cloudwatch_event_target.topic.input_transformer[0].input_template, "<${name}>")
    ])
    error_message = "Every value taken from the event is in the message."
  }

  assert {
    condition = alltrue([
      for field, group in { log = "output", system_log = "error" } : strcontains(
        aws_cloudwatch_event_target.topic.input_transformer[0].input_template,
        "\"${field}\": \"https://eu-west-2.console.aws.amazon.com/cloudwatch/home?region=eu-west-2#logsV2:log-groups/log-group/$252Faws-glue$252Fjobs$252Ftotelake-test-role$252F<job>$252F${group}/log-events/<run>\"",
      )
    ])
    error_message = "The links open the stream of the failed run, with slashes encoded for the console."
  }

  assert {
    condition     = aws_sns_topic_subscription.email[0].protocol == "email" && aws_sns_topic_subscription.email[0].endpoint == "someone@example.com"
    error_message = "The e-mail address is subscribed."
  }
}

run "alerts_are_published_with_a_role" {
  module {
    source = "./modules/alerting"
  }

  variables {
    kms_key_arn = "arn:aws:kms:eu-west-2:123456789012:key/mock"
  }

  assert {
    condition = alltrue([
      for target in [aws_cloudwatch_event_target.topic, aws_cloudwatch_event_target.crawler_topic] :
      target.role_arn == module.role.arn && target.dead_letter_config[0].arn == aws_sqs_queue.undelivered[0].arn
    ])
    error_message = "Both targets have the role and the dead-letter queue."
  }

  assert {
    condition     = !strcontains(aws_sns_topic_policy.this.policy, "events.amazonaws.com")
    error_message = "EventBridge supports no Condition in a topic's policy, so the policy does not admit it."
  }

  assert {
    condition = jsondecode(module.role.policy).Statement == [
      { Sid = "Publish", Effect = "Allow", Action = ["sns:Publish"], Resource = [aws_sns_topic.this.arn] },
      {
        Sid       = "EncryptMessages", Effect = "Allow", Action = ["kms:Decrypt", "kms:GenerateDataKey"], Resource = [var.kms_key_arn]
        Condition = { StringEquals = { "kms:ViaService" = ["sns.eu-west-2.amazonaws.com"] } }
      },
    ]
    error_message = "The role may publish to this topic only."
  }

  assert {
    condition = jsondecode(module.role.trust).Statement[0].Principal.Service == "events.amazonaws.com" && jsondecode(module.role.trust).Statement[0].Condition == {
      StringEquals = { "aws:SourceAccount" = "123456789012" }
      ArnLike      = { "aws:SourceArn" = "arn:aws:events:eu-west-2:123456789012:rule/totelake-test-*" }
    }
    error_message = "Only EventBridge may assume the role, for rules of this prefix."
  }

  assert {
    condition = jsondecode(aws_sqs_queue.undelivered[0].policy).Statement == [{
      Sid       = "AllowEventBridgeSend", Effect = "Allow", Principal = { Service = "events.amazonaws.com" }
      Action    = "sqs:SendMessage", Resource = "arn:aws:sqs:eu-west-2:123456789012:totelake-test-alerts-undelivered"
      Condition = { ArnEquals = { "aws:SourceArn" = [aws_cloudwatch_event_rule.crawler_failed.arn, aws_cloudwatch_event_rule.job_failed.arn] } }
    }]
    error_message = "Only these rules may send to the dead-letter queue."
  }

  assert {
    condition     = aws_sqs_queue.undelivered[0].sqs_managed_sse_enabled && output.undelivered_queue == "totelake-test-alerts-undelivered"
    error_message = "The queue is encrypted without a key that EventBridge would have to use."
  }
}

run "no_dead_letter_queue_when_switched_off" {
  module {
    source = "./modules/alerting"
  }

  variables {
    keep_undelivered = false
  }

  assert {
    condition = (
      length(aws_sqs_queue.undelivered) + length(aws_cloudwatch_event_target.topic.dead_letter_config) == 0 && output.undelivered_queue == null
    )
    error_message = "There is no queue."
  }

  assert {
    condition     = jsondecode(module.role.policy).Statement[*].Sid == ["Publish"]
    error_message = "Without a key there is no permission for it."
  }
}

run "no_subscription_without_an_address" {
  module {
    source = "./modules/alerting"
  }

  variables {
    email = null
  }

  assert {
    condition     = length(aws_sns_topic_subscription.email) == 0
    error_message = "There is no subscription without an address."
  }
}

run "alarms_and_budgets_of_this_account_publish_to_the_topic" {
  module {
    source = "./modules/alerting"
  }

  assert {
    condition = {
      for statement in jsondecode(aws_sns_topic_policy.this.policy).Statement :
      statement.Sid => [statement.Condition.StringEquals["aws:SourceAccount"], statement.Condition.ArnLike["aws:SourceArn"]]
      if contains(["AllowCloudWatchPublish", "AllowBudgetsPublish"], statement.Sid)
      } == {
      AllowCloudWatchPublish = ["123456789012", "arn:aws:cloudwatch:eu-west-2:123456789012:alarm:totelake-test-*"]
      AllowBudgetsPublish    = ["123456789012", "arn:aws:budgets::123456789012:*"]
    }
    error_message = "Only alarms of this prefix and account may publish."
  }
}

run "failed_crawl_sends_an_e_mail" {
  module {
    source = "./modules/alerting"
  }

  assert {
    condition = aws_cloudwatch_event_rule.crawler_failed.event_pattern == jsonencode({
      source        = ["aws.glue"]
      "detail-type" = ["Glue Crawler State Change"]
      detail        = { crawlerName = ["totelake-test-ingested"], state = ["Failed"] }
    })
    error_message = "The rule matches failures of our crawlers."
  }

  assert {
    condition = alltrue([
      for name in keys(aws_cloudwatch_event_target.crawler_topic.input_transformer[0].input_paths) :
      strcontains(aws_cloudwatch_event_target.crawler_topic.input_transformer[0].input_template, "<${name}>")
    ])
    error_message = "Every value taken from the event is in the message."
  }

  assert {
    condition = alltrue([
      for field, path in { error = "message", log = "log" } :
      strcontains(aws_cloudwatch_event_target.crawler_topic.input_transformer[0].input_template, "\"${field}\": <${path}>")
    ])
    error_message = "EventBridge escapes a value only outside of quotation marks."
  }
}

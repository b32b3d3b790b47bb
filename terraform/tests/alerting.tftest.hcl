mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  prefix = "totelake-test"
  jobs   = ["totelake-test-ingest", "totelake-test-load"]
  email  = "someone@example.com"

  crawlers = ["totelake-test-ingested"]

  log_group = "/aws-glue/jobs/totelake-test-role/<job>/error"
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
    condition = strcontains(
      aws_cloudwatch_event_target.topic.input_transformer[0].input_template,
      "#logsV2:log-groups/log-group/$252Faws-glue$252Fjobs$252Ftotelake-test-role$252F<job>$252Ferror/log-events/<run>",
    )
    error_message = "The link points to the log group of the failed job, with slashes encoded for the console."
  }

  assert {
    condition = alltrue([
      for line in split("\n", aws_cloudwatch_event_target.topic.input_transformer[0].input_template) :
      can(regex("^\"[^\"]+\"$", line))
    ])
    error_message = "EventBridge requires each line of a text in quotes."
  }

  assert {
    condition     = aws_sns_topic_subscription.email[0].protocol == "email" && aws_sns_topic_subscription.email[0].endpoint == "someone@example.com"
    error_message = "The e-mail address is subscribed."
  }

  assert {
    condition = jsondecode(aws_sns_topic_policy.this.policy).Statement[0].Condition.ArnEquals["aws:SourceArn"] == [
      aws_cloudwatch_event_rule.job_failed.arn, aws_cloudwatch_event_rule.crawler_failed.arn,
    ]
    error_message = "Only these rules may publish to the topic."
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
}

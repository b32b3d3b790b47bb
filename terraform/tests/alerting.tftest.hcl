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

run "a_failed_job_is_told_by_e_mail" {
  module {
    source = "./modules/alerting"
  }

  assert {
    condition = aws_cloudwatch_event_rule.job_failed.event_pattern == jsonencode({
      source        = ["aws.glue"]
      "detail-type" = ["Glue Job State Change"]
      detail        = { jobName = var.jobs, state = ["FAILED", "TIMEOUT", "STOPPED"] }
    })
    error_message = "The rule matches the bad ends of our jobs; Glue sends no event for ERROR."
  }

  assert {
    condition = alltrue([
      for name in keys(aws_cloudwatch_event_target.topic.input_transformer[0].input_paths) :
      strcontains(aws_cloudwatch_event_target.topic.input_transformer[0].input_template, "<${name}>")
    ])
    error_message = "Whatever is taken from the event is told."
  }

  assert {
    condition = strcontains(
      aws_cloudwatch_event_target.topic.input_transformer[0].input_template,
      "#logsV2:log-groups/log-group/$252Faws-glue$252Fjobs$252Ftotelake-test-role$252F<job>$252Ferror/log-events/<run>",
    )
    error_message = "The link leads to the log group of the job that failed, with the slashes as the console wants them."
  }

  assert {
    condition = alltrue([
      for line in split("\n", aws_cloudwatch_event_target.topic.input_transformer[0].input_template) :
      can(regex("^\"[^\"]+\"$", line))
    ])
    error_message = "EventBridge wants each line of a text in quotes."
  }

  assert {
    condition     = aws_sns_topic_subscription.email[0].protocol == "email" && aws_sns_topic_subscription.email[0].endpoint == "someone@example.com"
    error_message = "The address is subscribed."
  }

  assert {
    condition = jsondecode(aws_sns_topic_policy.this.policy).Statement[0].Condition.ArnEquals["aws:SourceArn"] == [
      aws_cloudwatch_event_rule.job_failed.arn, aws_cloudwatch_event_rule.crawler_failed.arn,
    ]
    error_message = "The rules publish to the topic, and no other."
  }
}

run "without_an_address_nobody_is_subscribed" {
  module {
    source = "./modules/alerting"
  }

  variables {
    email = null
  }

  assert {
    condition     = length(aws_sns_topic_subscription.email) == 0
    error_message = "No address, no subscription."
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
      if contains(["AlarmsPublish", "BudgetPublishes"], statement.Sid)
      } == {
      AlarmsPublish   = ["123456789012", "arn:aws:cloudwatch:eu-west-2:123456789012:alarm:totelake-test-*"]
      BudgetPublishes = ["123456789012", "arn:aws:budgets::123456789012:*"]
    }
    error_message = "Nobody else's alarms, and no other account."
  }
}

run "a_failed_crawl_is_told_by_e_mail" {
  module {
    source = "./modules/alerting"
  }

  assert {
    condition = aws_cloudwatch_event_rule.crawler_failed.event_pattern == jsonencode({
      source        = ["aws.glue"]
      "detail-type" = ["Glue Crawler State Change"]
      detail        = { crawlerName = ["totelake-test-ingested"], state = ["Failed"] }
    })
    error_message = "The rule matches the failures of our crawlers."
  }

  assert {
    condition = alltrue([
      for name in keys(aws_cloudwatch_event_target.crawler_topic.input_transformer[0].input_paths) :
      strcontains(aws_cloudwatch_event_target.crawler_topic.input_transformer[0].input_template, "<${name}>")
    ])
    error_message = "Whatever is taken from the event is told."
  }
}

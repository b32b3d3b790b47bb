mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  prefix          = "totelake-test"
  declared        = jsondecode(file("metrics.json"))
  topic_arn       = "arn:aws:sns:eu-west-2:123456789012:totelake-test-alerts"
  missed_queues   = ["totelake-test-run-missed", "totelake-test-reconcile-run-missed"]
  expected        = { workflow = true, reconcile = true, drift = true }
  longest_seconds = { ingest = 240, transform = 240, load = 240, reconcile = 900 }
  volume_band     = 3
  composite       = true
}

run "every_way_to_go_wrong_has_an_alarm" {
  module {
    source = "./modules/monitoring"
  }

  assert {
    condition = output.alarms == sort([for name in [
      "freshness", "late", "reconcile-silent", "drift-silent", "quarantine", "held", "reconcile", "drift",
      "duration-ingest", "duration-transform", "duration-load", "duration-reconcile", "run-missed",
      "reconcile-run-missed", "volume", "unhealthy",
    ] : "totelake-test-${name}"])
    error_message = "All of them, under the prefix."
  }

  assert {
    condition = [
      for part in ["treat_missing_data", "statistic", "threshold"] : aws_cloudwatch_metric_alarm.this["freshness"][part]
    ] == ["breaching", "Maximum", 1800]
    error_message = "A warehouse that is too old is wrong, and so is not to know."
  }

  assert {
    condition = (
      aws_cloudwatch_metric_alarm.this["freshness"].period * aws_cloudwatch_metric_alarm.this["freshness"].evaluation_periods == 1800
      && aws_cloudwatch_metric_alarm.this["freshness"].datapoints_to_alarm == aws_cloudwatch_metric_alarm.this["freshness"].evaluation_periods
    )
    error_message = "Half an hour without one good figure."
  }

  assert {
    condition     = alltrue([for alarm in aws_cloudwatch_metric_alarm.this : alarm.alarm_actions == toset([var.topic_arn])])
    error_message = "Every alarm tells the topic."
  }

  assert {
    condition = alltrue([
      for alarm in aws_cloudwatch_metric_alarm.this :
      alarm.period * alarm.evaluation_periods <= (alarm.period < 3600 ? 86400 : 604800)
    ])
    error_message = "CloudWatch looks back a day at most, and a week where a period is an hour or more."
  }

  assert {
    condition = alltrue([
      for alarm in concat(values(aws_cloudwatch_metric_alarm.this), aws_cloudwatch_metric_alarm.volume) :
      can(regex("\\. Runbook: docs/runbooks/[a-z-]+\\.md$", alarm.alarm_description))
    ])
    error_message = "Every alarm names the runbook."
  }

  assert {
    condition = alltrue([
      for alarm in aws_cloudwatch_metric_alarm.this :
      strcontains(aws_cloudwatch_composite_alarm.unhealthy[0].alarm_rule, "ALARM(\"${alarm.alarm_name}\")")
    ])
    error_message = "One light for all of them."
  }
}

run "what_does_not_run_by_itself_is_not_missed" {
  module {
    source = "./modules/monitoring"
  }

  variables {
    expected      = { workflow = false, reconcile = false, drift = false }
    missed_queues = []
    volume_band   = null
    composite     = false
  }

  assert {
    condition = output.alarms == sort([for name in [
      "late", "quarantine", "held", "reconcile", "drift", "duration-ingest", "duration-transform", "duration-load",
      "duration-reconcile",
    ] : "totelake-test-${name}"])
    error_message = "Neither freshness nor a silent reconcile, nor what was left out."
  }
}

run "a_stage_without_a_limit_is_refused" {
  command = plan

  module {
    source = "./modules/monitoring"
  }

  variables {
    longest_seconds = { ingest = 240 }
  }

  expect_failures = [var.longest_seconds]
}

mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  prefix        = "totelake-test"
  declared      = jsondecode(file("metrics.json"))
  topic_arn     = "arn:aws:sns:eu-west-2:123456789012:totelake-test-alerts"
  missed_queues = ["totelake-test-run-missed", "totelake-test-reconcile-run-missed"]
  alert_rules   = { job-failed = "totelake-test-job-failed" }

  undelivered_queue = "totelake-test-alerts-undelivered"

  expected        = { workflow = true, reconcile = true, drift = true, compact = true, verify = true }
  longest_seconds = { ingest = 240, transform = 240, load = 240, reconcile = 900, compact = 1800, verify = 1800 }
  volume_band     = 3
  composite       = true
}

run "all_alarms_are_created" {
  module {
    source = "./modules/monitoring"
  }

  assert {
    condition = output.alarms == sort([for name in [
      "freshness", "late", "reconcile-silent", "drift-silent", "compact-silent", "quarantine", "held", "reconcile", "drift",
      "uncompacted", "verify-silent", "lake-faults", "duration-ingest", "duration-transform", "duration-load", "duration-reconcile",
      "duration-compact", "duration-verify", "run-missed", "reconcile-run-missed", "volume", "unhealthy",
      "undelivered-job-failed", "alerts-undelivered",
    ] : "totelake-test-${name}"])
    error_message = "All alarms exist, with the prefix."
  }

  assert {
    condition = [
      for part in ["treat_missing_data", "statistic", "threshold"] : aws_cloudwatch_metric_alarm.this["freshness"][part]
    ] == ["breaching", "Maximum", 1800]
    error_message = "The alarm is raised by a high age and by missing data."
  }

  assert {
    condition = (
      aws_cloudwatch_metric_alarm.this["freshness"].period * aws_cloudwatch_metric_alarm.this["freshness"].evaluation_periods == 1800
      && aws_cloudwatch_metric_alarm.this["freshness"].datapoints_to_alarm == aws_cloudwatch_metric_alarm.this["freshness"].evaluation_periods
    )
    error_message = "The alarm evaluates half an hour without a good value."
  }

  assert {
    condition = [
      for part in ["metric_name", "statistic", "threshold", "period"] :
      aws_cloudwatch_metric_alarm.this["uncompacted"][part]
    ] == ["UncompactedBatches", "Minimum", 48, 3600]
    error_message = "The alarm is raised when more than 48 batches of a table have not been merged."
  }

  assert {
    condition = [
      for part in ["namespace", "metric_name", "dimensions", "threshold", "treat_missing_data"] :
      aws_cloudwatch_metric_alarm.this["undelivered-job-failed"][part]
    ] == ["AWS/Events", "FailedInvocations", tomap({ RuleName = "totelake-test-job-failed" }), 0, "notBreaching"]
    error_message = "The alarm is raised when EventBridge could not publish an alert."
  }

  assert {
    condition     = alltrue([for alarm in aws_cloudwatch_metric_alarm.this : alarm.alarm_actions == toset([var.topic_arn])])
    error_message = "Every alarm notifies the topic."
  }

  assert {
    condition = alltrue([
      for alarm in aws_cloudwatch_metric_alarm.this :
      alarm.period * alarm.evaluation_periods <= (alarm.period < 3600 ? 86400 : 604800)
    ])
    error_message = "CloudWatch evaluates at most a day, or a week with periods of at least an hour."
  }

  assert {
    condition = alltrue([
      for alarm in concat(values(aws_cloudwatch_metric_alarm.this), aws_cloudwatch_metric_alarm.volume) :
      can(regex("\\. Runbook: docs/runbooks/[a-z-]+\\.md$", alarm.alarm_description))
    ])
    error_message = "Every alarm names its runbook."
  }

  assert {
    condition = alltrue([
      for alarm in aws_cloudwatch_metric_alarm.this :
      strcontains(aws_cloudwatch_composite_alarm.unhealthy[0].alarm_rule, "ALARM(\"${alarm.alarm_name}\")")
    ])
    error_message = "The composite alarm includes all alarms."
  }
}

run "redshift_has_an_alarm_on_its_usage_limit" {
  module {
    source = "./modules/monitoring"
  }

  variables {
    redshift_limit = {
      rpu_hours  = 400
      dimensions = { UsageLimitId = "limit-1", UsageType = "SERVERLESS_COMPUTE", Workgroup = "totelake-test-warehouse" }
    }
  }

  assert {
    condition = (
      aws_cloudwatch_metric_alarm.this["rpu-hours"].namespace == "AWS/Redshift-Serverless"
      && aws_cloudwatch_metric_alarm.this["rpu-hours"].threshold == 320
      && aws_cloudwatch_metric_alarm.this["rpu-hours"].dimensions == var.redshift_limit.dimensions
    )
    error_message = "The alarm is raised at 80 % of the limit, before Redshift stops or costs more than planned."
  }
}

run "no_alarms_for_disabled_schedules" {
  module {
    source = "./modules/monitoring"
  }

  variables {
    expected      = { workflow = false, reconcile = false, drift = false, compact = false, verify = false }
    missed_queues = []
    alert_rules   = {}
    volume_band   = null
    composite     = false

    undelivered_queue = null
  }

  assert {
    condition = output.alarms == sort([for name in [
      "late", "quarantine", "held", "reconcile", "drift", "duration-ingest", "duration-transform", "duration-load",
      "duration-reconcile", "duration-compact", "duration-verify", "uncompacted", "lake-faults",
    ] : "totelake-test-${name}"])
    error_message = "There are no alarms for missing runs, and no optional alarms."
  }
}

run "missing_stage_limit_is_refused" {
  command = plan

  module {
    source = "./modules/monitoring"
  }

  variables {
    longest_seconds = { ingest = 240 }
  }

  expect_failures = [var.longest_seconds]
}

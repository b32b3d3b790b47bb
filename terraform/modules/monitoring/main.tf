locals {
  namespace = var.declared.namespace
  metrics   = var.declared.metrics

  # What the descriptions of alarms lead to, in the repository.
  runbooks = "docs/runbooks"

  # Where each alarm looks, when it goes on, and what whoever gets its mail has to know.
  alarms = merge(
    local.alarms_of_freshness,
    local.alarms_of_content,
    local.alarms_of_drift,
    local.alarms_of_duration,
    local.alarms_of_schedules,
  )

  # The attributes that most alarms share; each alarm overrides its own.
  defaults = {
    dimensions = {}
    period     = 300
    periods    = 1
    comparison = "GreaterThanThreshold"
    threshold  = 0
    missing    = "notBreaching"
    notify_ok  = false
    enabled    = true
  }

  # CloudWatch looks further back than the periods that it evaluates before it takes data for missing. In half an hour
  # of short periods, of which one good one is enough, that delays the alarm by minutes; in one long period by hours.
  alarms_of_freshness = {
    freshness = merge(local.defaults, {
      enabled   = var.expected.workflow
      metric    = "WarehouseAge"
      statistic = "Maximum"
      periods   = ceil(var.oldest_seconds / local.defaults.period)
      threshold = var.oldest_seconds
      missing   = "breaching"
      notify_ok = true
      runbook   = "freshness"
      summary   = "For ${var.oldest_seconds} s no load has said that the warehouse is up to date: runs fail, or none starts."
      action    = "See the last run of the workflow, then the schedule."
    })
    late = merge(local.defaults, {
      metric    = "WarehouseAge"
      statistic = "Maximum"
      threshold = var.oldest_seconds
      runbook   = "freshness"
      summary   = "A load ended with a warehouse that was more than ${var.oldest_seconds} s behind totesys."
      action    = "See which stage of that run took so long, or waited."
    })
    reconcile-silent = merge(local.defaults, {
      enabled    = var.expected.reconcile
      metric     = "Heartbeat"
      dimensions = { Stage = "reconcile" }
      statistic  = "Sum"
      period     = 3600
      periods    = 3
      comparison = "LessThanThreshold"
      threshold  = 1
      missing    = "breaching"
      notify_ok  = true
      runbook    = "run-failed"
      summary    = "For three hours no comparison of the warehouse with totesys has come to a good end."
      action     = "See the last runs of the job reconcile; one that finds differences fails."
    })
    drift-silent = merge(local.defaults, {
      enabled    = var.expected.drift
      metric     = "Heartbeat"
      dimensions = { Stage = "drift" }
      statistic  = "Sum"
      period     = 86400
      periods    = 2
      comparison = "LessThanThreshold"
      threshold  = 1
      missing    = "breaching"
      notify_ok  = true
      runbook    = "source-column-changed"
      summary    = "For two days no drift check has come to a good end."
      action     = "See the last runs of the crawler and of the job drift; one that finds differences fails."
    })
  }

  alarms_of_content = {
    quarantine = merge(local.defaults, {
      metric    = "QuarantinedRows"
      statistic = "Sum"
      runbook   = "source-column-changed"
      summary   = "New rows break a rule of their table and are held back; the others went on."
      action    = "The dashboard has the table and the rule. Correct the rows in totesys, or the rule."
    })
    held = merge(local.defaults, {
      metric    = "HeldRows"
      statistic = "Minimum"
      period    = 3600
      periods   = 24
      runbook   = "source-column-changed"
      summary   = "Rows have been held back for a day, and the warehouse does not have them."
      action    = "Correct them in totesys, or the rule that they break."
    })
    reconcile = merge(local.defaults, {
      metric    = "ReconcileDifferences"
      statistic = "Sum"
      period    = 3600
      runbook   = "restore-warehouse"
      summary   = "The warehouse shows something else than totesys holds, and no run to come explains it."
      action    = "The log of the job reconcile names the keys. Find out what wrote or lost them before they are put right."
    })
  }

  alarms_of_drift = {
    drift = merge(local.defaults, {
      metric    = "DriftDifferences"
      statistic = "Sum"
      period    = 3600
      runbook   = "source-column-changed"
      summary   = "The ingested bucket holds something else than is declared."
      action    = "The log of the job drift names table and column. Declare it, undo it in totesys, or accept it."
    })
  }

  alarms_of_duration = {
    for stage, seconds in var.longest_seconds : "duration-${stage}" => merge(local.defaults, {
      metric     = "Seconds"
      dimensions = { Stage = stage }
      statistic  = "Maximum"
      threshold  = seconds
      runbook    = "run-failed"
      summary    = "A run of ${stage} took more than ${seconds} s; runs that grow on overlap with the next start."
      action     = "See whether it had more rows than usual; if not, what it waited for."
    })
  }

  alarms_of_schedules = {
    for queue in var.missed_queues : queue => merge(local.defaults, {
      namespace  = "AWS/SQS"
      metric     = "ApproximateNumberOfMessagesVisible"
      dimensions = { QueueName = queue }
      statistic  = "Maximum"
      unit       = "Count"
      notify_ok  = true
      runbook    = "run-failed"
      summary    = "A scheduled start failed for good; the queue ${queue} keeps it with the reason."
      action     = "Read the message; the next start catches up. Empty the queue when it is understood."
    })
  }
}

resource "aws_cloudwatch_metric_alarm" "this" {
  for_each = { for name, alarm in local.alarms : name => alarm if alarm.enabled }

  alarm_name          = startswith(each.key, var.prefix) ? each.key : "${var.prefix}-${each.key}"
  alarm_description   = "${each.value.summary} ${each.value.action} Runbook: ${local.runbooks}/${each.value.runbook}.md"
  namespace           = try(each.value.namespace, local.namespace)
  metric_name         = each.value.metric
  dimensions          = each.value.dimensions
  statistic           = each.value.statistic
  unit                = try(each.value.unit, local.metrics[each.value.metric].unit)
  period              = each.value.period
  evaluation_periods  = each.value.periods
  datapoints_to_alarm = each.value.periods
  comparison_operator = each.value.comparison
  threshold           = each.value.threshold
  treat_missing_data  = each.value.missing
  alarm_actions       = [var.topic_arn]
  ok_actions          = each.value.notify_ok ? [var.topic_arn] : []
}

resource "aws_cloudwatch_metric_alarm" "volume" {
  count = var.volume_band == null ? 0 : 1

  alarm_name = "${var.prefix}-volume"
  alarm_description = join(" ", [
    "For two hours the ingest has written more or fewer rows than is usual at this time of the week.",
    "See in totesys whether that is the business or an accident. Runbook: ${local.runbooks}/run-failed.md",
  ])
  comparison_operator = "LessThanLowerOrGreaterThanUpperThreshold"
  evaluation_periods  = 2
  datapoints_to_alarm = 2
  threshold_metric_id = "band"
  treat_missing_data  = "ignore" # without runs there are no rows, and another alarm tells of that
  alarm_actions       = [var.topic_arn]

  metric_query {
    id          = "band"
    expression  = "ANOMALY_DETECTION_BAND(rows, ${var.volume_band})"
    label       = "Usual rows in an hour"
    return_data = true
  }

  metric_query {
    id          = "rows"
    return_data = true

    metric {
      namespace   = local.namespace
      metric_name = "RowsOut"
      dimensions  = { Stage = "ingest" }
      stat        = "Sum"
      unit        = local.metrics["RowsOut"].unit
      period      = 3600
    }
  }
}

# One light for a status page or a pager. It mails nobody: its parts do.
resource "aws_cloudwatch_composite_alarm" "unhealthy" {
  count = var.composite ? 1 : 0

  alarm_name        = "${var.prefix}-unhealthy"
  alarm_description = "Any of the alarms of ${var.prefix} is on; that one has the runbook."
  alarm_rule = join(" OR ", [
    for alarm in concat(values(aws_cloudwatch_metric_alarm.this), aws_cloudwatch_metric_alarm.volume) :
    "ALARM(\"${alarm.alarm_name}\")"
  ])
}

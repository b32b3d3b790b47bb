locals {
  namespace = var.declared.namespace
  metrics   = var.declared.metrics

  # Folder of the runbooks that the alarm descriptions name.
  runbooks = "docs/runbooks"

  # Metric, threshold and e-mail text of each alarm.
  alarms = merge(
    local.alarms_of_freshness,
    local.alarms_of_content,
    local.alarms_of_drift,
    local.alarms_of_compaction,
    local.alarms_of_files,
    local.alarms_of_duration,
    local.alarms_of_schedules,
    local.alarms_of_alerts,
    local.alarms_of_costs,
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

  # CloudWatch considers more periods than it evaluates before it treats data as missing. With many short periods, of which
  # one good value is enough, that delays the alarm by minutes; with one long period, by hours.
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
      summary   = "For ${var.oldest_seconds} s no load has reported an up-to-date warehouse: runs fail or do not start."
      action    = "Check the last run of the workflow, then the schedule."
    })
    late = merge(local.defaults, {
      metric    = "WarehouseAge"
      statistic = "Maximum"
      threshold = var.oldest_seconds
      runbook   = "freshness"
      summary   = "After a load the warehouse was still more than ${var.oldest_seconds} s behind totesys."
      action    = "Find the stage of that run that was slow or had to wait."
    })
    reconcile-silent = merge(local.defaults, {
      enabled    = var.expected.reconcile
      metric     = "Seconds"
      dimensions = { Stage = "reconcile" }
      statistic  = "SampleCount"
      period     = 3600
      periods    = 3
      comparison = "LessThanThreshold"
      threshold  = 1
      missing    = "breaching"
      notify_ok  = true
      runbook    = "run-failed"
      summary    = "No reconcile run has succeeded for three hours."
      action     = "Check the last runs of the job reconcile; it fails when it finds differences."
    })
    drift-silent = merge(local.defaults, {
      enabled    = var.expected.drift
      metric     = "Seconds"
      dimensions = { Stage = "drift" }
      statistic  = "SampleCount"
      period     = 86400
      periods    = 2
      comparison = "LessThanThreshold"
      threshold  = 1
      missing    = "breaching"
      notify_ok  = true
      runbook    = "source-column-changed"
      summary    = "No drift check has succeeded for two days."
      action     = "Check the last runs of the crawler and of the job drift; it fails when it finds differences."
    })
  }

  alarms_of_content = {
    quarantine = merge(local.defaults, {
      metric    = "QuarantinedRows"
      statistic = "Sum"
      runbook   = "source-column-changed"
      summary   = "New rows break a rule of their table and were quarantined; all other rows were processed."
      action    = "The dashboard shows table and rule. Correct the rows in totesys, or change the rule."
    })
    held = merge(local.defaults, {
      metric    = "HeldRows"
      statistic = "Minimum"
      period    = 3600
      periods   = 24
      runbook   = "source-column-changed"
      summary   = "Rows have been in quarantine for a day and are missing from the warehouse."
      action    = "Correct them in totesys, or change the rule that they break."
    })
    reconcile = merge(local.defaults, {
      metric    = "ReconcileDifferences"
      statistic = "Sum"
      period    = 3600
      runbook   = "restore-warehouse"
      summary   = "The warehouse differs from totesys, and no pending batch explains it."
      action    = "The log of the job reconcile has the keys. Find the cause before you correct them."
    })
  }

  alarms_of_drift = {
    drift = merge(local.defaults, {
      metric    = "DriftDifferences"
      statistic = "Sum"
      period    = 3600
      runbook   = "source-column-changed"
      summary   = "The ingested bucket differs from the declared tables."
      action    = "The log of the job drift has table and column. Declare the column, undo the change in totesys, or accept it."
    })
  }

  alarms_of_compaction = {
    compact-silent = merge(local.defaults, {
      enabled    = var.expected.compact
      metric     = "Seconds"
      dimensions = { Stage = "compact" }
      statistic  = "SampleCount"
      period     = 14400
      periods    = 3
      comparison = "LessThanThreshold"
      threshold  = 1
      missing    = "breaching"
      notify_ok  = true
      runbook    = "compaction-behind"
      summary    = "No compaction has succeeded for twelve hours; no row is missing, but every run reads more files."
      action     = "Check the last runs of the job compact, and start it."
    })
    # The metric has a value for each run of the transform: with an hour for a period, the alarm stays on between them.
    uncompacted = merge(local.defaults, {
      metric    = "UncompactedBatches"
      statistic = "Minimum"
      period    = 3600
      threshold = var.most_uncompacted
      notify_ok = true
      runbook   = "compaction-behind"
      summary   = "A table has more than ${var.most_uncompacted} batches that no compaction has merged: runs and queries read more files."
      action    = "Start the job compact; it merges all of them in one run. If it succeeds and the alarm comes back, schedule it more often."
    })
  }

  alarms_of_files = {
    verify-silent = merge(local.defaults, {
      enabled    = var.expected.verify
      metric     = "Seconds"
      dimensions = { Stage = "verify" }
      statistic  = "SampleCount"
      period     = 86400
      periods    = 2
      comparison = "LessThanThreshold"
      threshold  = 1
      missing    = "breaching"
      notify_ok  = true
      runbook    = "lake-damaged"
      summary    = "No check of the lake has succeeded for two days."
      action     = "Check the last runs of the job verify; it fails when a file is missing or altered."
    })
    lake-faults = merge(local.defaults, {
      metric    = "LakeFaults"
      statistic = "Sum"
      period    = 3600
      runbook   = "lake-damaged"
      summary   = "Files, records or partitions of the lake are missing, altered or superfluous."
      action    = "The log of the job verify names each of them, with the command that restores it. Deleted versions expire after 30 days."
    })
  }

  alarms_of_duration = {
    for stage, seconds in var.longest_seconds : "duration-${stage}" => merge(local.defaults, {
      metric     = "Seconds"
      dimensions = { Stage = stage }
      statistic  = "Maximum"
      threshold  = seconds
      runbook    = "run-failed"
      summary    = "A run of ${stage} took more than ${seconds} s; longer runs will overlap with the next scheduled start."
      action     = "Check whether it had more rows than usual; if not, what it waited for."
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
      summary    = "A scheduled start failed after all retries; the queue ${queue} has the event and the error."
      action     = "Read the message; the next start does the pending work. Purge the queue after fixing the cause."
    })
  }
}

locals {
  # CloudWatch sends its own notifications, so these arrive when EventBridge's do not.
  alarms_of_alerts = merge(
    {
      for name, rule in var.alert_rules : "undelivered-${name}" => merge(local.defaults, {
        namespace  = "AWS/Events"
        metric     = "FailedInvocations"
        dimensions = { RuleName = rule }
        statistic  = "Sum"
        unit       = "Count"
        runbook    = "run-failed"
        summary    = "An alert of the rule ${rule} could not be published, so its e-mail was not sent."
        action     = "Check the last runs of the jobs and of the crawler, then the role ${var.prefix}-alerts and the topic's policy."
      })
    },
    {
      for queue in var.undelivered_queue[*] : queue => merge(local.defaults, {
        namespace  = "AWS/SQS"
        metric     = "ApproximateNumberOfMessagesVisible"
        dimensions = { QueueName = queue }
        statistic  = "Maximum"
        unit       = "Count"
        notify_ok  = true
        runbook    = "run-failed"
        summary    = "The queue ${queue} has events of failed jobs or crawlers that were not published as alerts."
        action     = "Read the messages, which have the event and the error. Purge the queue after fixing the cause."
      })
    },
  )

  # A budget reports costs hours later, and Redshift itself does nothing but publish metrics when the limit is reached.
  alarms_of_costs = {
    for limit in var.redshift_limit[*] : "rpu-hours" => merge(local.defaults, {
      namespace  = "AWS/Redshift-Serverless"
      metric     = "UsageLimitConsumed"
      dimensions = limit.dimensions
      statistic  = "Maximum"
      unit       = null
      period     = 3600
      threshold  = 0.8 * limit.rpu_hours
      runbook    = "warehouse-usage"
      summary    = "Redshift has used 80 % of its monthly limit of ${limit.rpu_hours} RPU-hours."
      action     = "Find the statements that use it, then raise the limit or run the workflow less often."
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
    "For two hours the ingest has written more or fewer rows than usual at this time of the week.",
    "Check in totesys whether this is normal business or an error. Runbook: ${local.runbooks}/run-failed.md",
  ])
  comparison_operator = "LessThanLowerOrGreaterThanUpperThreshold"
  evaluation_periods  = 2
  datapoints_to_alarm = 2
  threshold_metric_id = "band"
  treat_missing_data  = "ignore" # without runs there are no rows, which another alarm reports
  alarm_actions       = [var.topic_arn]

  metric_query {
    id          = "band"
    expression  = "ANOMALY_DETECTION_BAND(rows, ${var.volume_band})"
    label       = "Expected rows per hour"
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

# One state for a status page or a pager. It sends no e-mail, because the other alarms do.
resource "aws_cloudwatch_composite_alarm" "unhealthy" {
  count = var.composite ? 1 : 0

  alarm_name        = "${var.prefix}-unhealthy"
  alarm_description = "At least one alarm of ${var.prefix} is in ALARM; its description names the runbook."
  alarm_rule = join(" OR ", [
    for alarm in concat(values(aws_cloudwatch_metric_alarm.this), aws_cloudwatch_metric_alarm.volume) :
    "ALARM(\"${alarm.alarm_name}\")"
  ])
}

data "aws_region" "current" {}

locals {
  namespace = var.declared.namespace
  period    = 900

  # A line of a graph is an array: namespace, metric, then the name and value of each dimension.
  single   = { for name, metric in var.declared.metrics : name => [local.namespace, name] }
  by_stage = { for name, metric in var.declared.metrics : name => [for stage in metric.stages : [local.namespace, name, "Stage", stage]] }

  # SEARCH includes the tables and rules that have values at display time.
  by_rule = "SEARCH('{${local.namespace},Rule,Table} MetricName=\"QuarantinedRows\"', 'Sum', ${local.period})"

  graphs = concat([
    { title = "Warehouse age, seconds", statistic = "Maximum", lines = [local.single["WarehouseAge"]], limit = var.oldest_seconds },
    { title = "Completed runs", statistic = "SampleCount", lines = local.by_stage["Seconds"] },
    { title = "Rows written", statistic = "Sum", lines = local.by_stage["RowsOut"] },
    { title = "Duration of a run, seconds", statistic = "Maximum", lines = local.by_stage["Seconds"] },
    { title = "Parquet written, bytes", statistic = "Sum", lines = local.by_stage["Bytes"] },
    { title = "Age of the latest change in totesys, seconds", statistic = "Minimum", lines = [local.single["AgeOfNewestChange"]] },
    { title = "Newly quarantined rows, by table and rule", statistic = "Sum", lines = [[{ expression = local.by_rule }]] },
    { title = "Rows in quarantine", statistic = "Maximum", lines = [local.single["HeldRows"]] },
    { title = "Differences between warehouse and totesys", statistic = "Sum", lines = [local.single["ReconcileDifferences"], local.single["ReconcileExplained"]] },
    { title = "Differences between lake and declarations", statistic = "Sum", lines = [local.single["DriftDifferences"]] },
    { title = "Missing, altered or superfluous files of the lake", statistic = "Sum", lines = [local.single["LakeFaults"]] },
    { title = "Batches that no compaction has merged", statistic = "Maximum", lines = [local.single["UncompactedBatches"]], limit = var.most_uncompacted },
    { title = "Time since the last compaction, seconds", statistic = "Maximum", lines = [local.single["CompactionAge"]] },
    { title = "Live files and partitions of the lake", statistic = "Maximum", lines = [local.single["LiveFiles"], local.single["LivePartitions"]] },
    { title = "Average size of a live file, bytes", statistic = "Average", lines = [local.single["AverageFileBytes"]] },
    ], [
    for queue in var.missed_queues : {
      title     = "Failed starts: ${queue}"
      statistic = "Maximum"
      lines     = [["AWS/SQS", "ApproximateNumberOfMessagesVisible", "QueueName", queue]]
    }
  ])

  alarms = {
    type       = "alarm"
    x          = 0
    y          = 0
    width      = 24
    height     = 4
    properties = { title = "Alarms", alarms = var.alarm_arns }
  }

  # Two graphs in a row, below the alarms.
  widgets = [
    for place, graph in local.graphs : {
      type   = "metric"
      x      = place % 2 * 12
      y      = local.alarms.height + floor(place / 2) * 6
      width  = 12
      height = 6
      properties = {
        title       = graph.title
        region      = data.aws_region.current.name
        view        = "timeSeries"
        stat        = graph.statistic
        period      = local.period
        metrics     = graph.lines
        annotations = { horizontal = [for limit in try([graph.limit], []) : { label = "Limit", value = limit }] }
      }
    }
  ]
}

resource "aws_cloudwatch_dashboard" "this" {
  dashboard_name = var.name
  dashboard_body = jsonencode({ widgets = concat([local.alarms], local.widgets) })
}

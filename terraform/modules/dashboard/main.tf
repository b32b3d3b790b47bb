data "aws_region" "current" {}

locals {
  namespace = var.declared.namespace
  period    = 900

  # CloudWatch wants each line of a graph as an array: namespace, metric, then every dimension and its value.
  single   = { for name, metric in var.declared.metrics : name => [local.namespace, name] }
  by_stage = { for name, metric in var.declared.metrics : name => [for stage in metric.stages : [local.namespace, name, "Stage", stage]] }

  # Tables come and go: CloudWatch looks for those that there are.
  by_table = "SEARCH('{${local.namespace},Stage,Table} MetricName=\"RowsOut\" Stage=\"load\"', 'Sum', ${local.period})"
  by_rule  = "SEARCH('{${local.namespace},Rule,Table} MetricName=\"QuarantinedRows\"', 'Sum', ${local.period})"

  graphs = concat([
    { title = "Age of the warehouse, seconds", statistic = "Maximum", lines = [local.single["WarehouseAge"]], limit = var.oldest_seconds },
    { title = "Runs that came to their end", statistic = "Sum", lines = local.by_stage["Heartbeat"] },
    { title = "Rows to be dealt with", statistic = "Sum", lines = local.by_stage["RowsIn"] },
    { title = "Rows written", statistic = "Sum", lines = local.by_stage["RowsOut"] },
    { title = "Rows loaded into each table", statistic = "Sum", lines = [[{ expression = local.by_table }]] },
    { title = "Seconds of a run", statistic = "Maximum", lines = local.by_stage["Seconds"] },
    { title = "Bytes of Parquet", statistic = "Sum", lines = local.by_stage["Bytes"] },
    { title = "Age of the newest change in totesys, seconds", statistic = "Minimum", lines = [local.single["AgeOfNewestChange"]] },
    { title = "Rows held back for the first time, by table and rule", statistic = "Sum", lines = [[{ expression = local.by_rule }]] },
    { title = "Rows that wait in quarantine", statistic = "Maximum", lines = [local.single["HeldRows"]] },
    { title = "Warehouse against totesys", statistic = "Sum", lines = [local.single["ReconcileDifferences"], local.single["ReconcileExplained"]] },
    { title = "Lake against the declarations", statistic = "Sum", lines = [local.single["DriftDifferences"]] },
    ], [
    for queue in var.missed_queues : {
      title     = "Starts that failed: ${queue}"
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
        annotations = { horizontal = [for limit in try([graph.limit], []) : { label = "At most", value = limit }] }
      }
    }
  ]
}

resource "aws_cloudwatch_dashboard" "this" {
  dashboard_name = var.name
  dashboard_body = jsonencode({ widgets = concat([local.alarms], local.widgets) })
}

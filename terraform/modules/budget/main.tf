resource "aws_budgets_budget" "monthly" {
  name         = "${var.prefix}-monthly"
  budget_type  = "COST"
  time_unit    = "MONTHLY"
  limit_amount = tostring(var.monthly_usd)
  limit_unit   = "USD"

  dynamic "cost_filter" {
    for_each = var.own_costs_only ? ["user:project$totelake"] : []

    content {
      name   = "TagKeyValue"
      values = [cost_filter.value]
    }
  }

  # At 80 % of actual costs, and when the forecast exceeds the budget.
  dynamic "notification" {
    for_each = { ACTUAL = 80, FORECASTED = 100 }

    content {
      notification_type         = notification.key
      comparison_operator       = "GREATER_THAN"
      threshold                 = notification.value
      threshold_type            = "PERCENTAGE"
      subscriber_sns_topic_arns = [var.topic_arn]
    }
  }
}

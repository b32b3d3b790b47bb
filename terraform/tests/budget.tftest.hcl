mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  prefix         = "totelake-test"
  monthly_usd    = 120
  own_costs_only = true
  topic_arn      = "arn:aws:sns:eu-west-2:123456789012:totelake-test-alerts"
}

run "budget_notifies_the_topic" {
  module {
    source = "./modules/budget"
  }

  assert {
    condition     = [aws_budgets_budget.monthly.limit_amount, aws_budgets_budget.monthly.time_unit] == ["120", "MONTHLY"]
    error_message = "The limit is the given amount in US dollars per month."
  }

  assert {
    condition = {
      for notification in aws_budgets_budget.monthly.notification : notification.notification_type => notification.threshold
    } == { ACTUAL = 80, FORECASTED = 100 }
    error_message = "Notifications at 80 % of actual costs and 100 % of forecast costs."
  }

  assert {
    condition = alltrue([
      for notification in aws_budgets_budget.monthly.notification : notification.subscriber_sns_topic_arns == toset([var.topic_arn])
    ])
    error_message = "The notifications go to the topic."
  }

  assert {
    condition     = one(aws_budgets_budget.monthly.cost_filter).values == tolist(["user:project$totelake"])
    error_message = "Only costs with the project's tag count."
  }
}

mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  prefix         = "totelake-test"
  monthly_usd    = 120
  own_costs_only = true
  topic_arn      = "arn:aws:sns:eu-west-2:123456789012:totelake-test-alerts"
}

run "the_topic_hears_of_a_month_that_is_going_to_cost_too_much" {
  module {
    source = "./modules/budget"
  }

  assert {
    condition     = [aws_budgets_budget.monthly.limit_amount, aws_budgets_budget.monthly.time_unit] == ["120", "MONTHLY"]
    error_message = "So many dollars a month."
  }

  assert {
    condition = {
      for told in aws_budgets_budget.monthly.notification : told.notification_type => told.threshold
    } == { ACTUAL = 80, FORECASTED = 100 }
    error_message = "Told at four fifths, and when the forecast exceeds it."
  }

  assert {
    condition = alltrue([
      for told in aws_budgets_budget.monthly.notification : told.subscriber_sns_topic_arns == toset([var.topic_arn])
    ])
    error_message = "The topic is told."
  }

  assert {
    condition     = one(aws_budgets_budget.monthly.cost_filter).values == tolist(["user:project$totelake"])
    error_message = "Only what carries the project's tag counts."
  }
}

mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  environment = "test"
  prefix      = "totelake-test"
  scripts     = "./tests/code"
  package     = "./tests/code/package.txt"
  wheels      = "./tests/code/wheels"
  ssl_mode    = "require"
  totesys     = { host = "source.example.com", port = 5432, database = "totesys", username = "reader", password = "r" }
  warehouse   = { host = "warehouse.example.com", port = 5432, database = "warehouse", username = "owner", password = "w" }

  name      = "totelake-test"
  workgroup = "totelake-test"
  database  = "totesys_processed"
  lake      = { bucket = "totelake-test-processed", prefix = "tables/" }
  results   = { bucket = "totelake-test-artifacts", prefix = "athena/" }
  role      = "aws-quicksight-service-role-v0"
  refresh   = { interval = "DAILY", time_of_the_day = "05:30", timezone = "Europe/London" }
  authors   = ["arn:aws:quicksight:eu-west-2:123456789012:group/default/authors"]
  questions = [{
    page    = "sales"
    name    = "orders_by_month"
    columns = [{ name = "month", type = "DATETIME" }, { name = "orders", type = "INTEGER" }]
  }]
}

run "nothing_is_there_without_the_switch" {
  command = plan

  variables {
    queries = "./tests/code/queries"
  }

  assert {
    condition     = length(module.quicksight) + length(module.quicksight_dashboard) == 0 && output.quicksight_dashboard == null
    error_message = "QuickSight costs for every user, and is for who asks for it."
  }
}

run "a_dashboard_has_readers" {
  command = plan

  variables {
    queries    = "./tests/code/queries"
    quicksight = { readers = [] }
  }

  expect_failures = [var.quicksight]
}

run "a_reader_is_one_of_quicksights" {
  command = plan

  variables {
    queries    = "./tests/code/queries"
    quicksight = { readers = ["arn:aws:iam::123456789012:user/someone"] }
  }

  expect_failures = [var.quicksight]
}

run "an_interval_is_one_that_takes_no_day" {
  command = plan

  variables {
    queries    = "./tests/code/queries"
    quicksight = { readers = ["arn:aws:quicksight:eu-west-2:123456789012:group/default/readers"], refresh = { interval = "WEEKLY" } }
  }

  expect_failures = [var.quicksight]
}

run "every_question_is_a_data_set_and_has_a_visual" {
  variables {
    quicksight = {
      readers = ["arn:aws:quicksight:eu-west-2:123456789012:group/default/readers"]
      authors = ["arn:aws:quicksight:eu-west-2:123456789012:group/default/authors"]
    }
  }

  assert {
    condition = sort(keys(module.quicksight[0].data_sets)) == sort([
      for file in fileset("../dashboards/queries", "*/*.sql") : replace(trimsuffix(file, ".sql"), "/", "_")
    ])
    error_message = "A data set for every file."
  }

  assert {
    condition     = sort(module.quicksight_dashboard[0].visuals) == sort(keys(module.quicksight[0].data_sets))
    error_message = "A visual for every data set."
  }

  assert {
    condition     = output.quicksight_dashboard == "totelake-test"
    error_message = "The dashboard is named for the prefix."
  }
}

run "a_data_set_is_imported_by_a_query_that_needs_no_default_database" {
  module {
    source = "./modules/quicksight"
  }

  variables {
    queries = "./tests/code/questions"
  }

  assert {
    condition = one(one(aws_quicksight_data_set.this["sales_orders_by_month"].physical_table_map).custom_sql).sql_query == join("\n", [
      "SELECT month, currency, orders FROM totesys_processed.current_fact_sales_order",
      "INNER JOIN totesys_processed.current_dim_currency AS kind ON true",
    ])
    error_message = "No comment, no semicolon, and the database before every view."
  }

  assert {
    condition = [
      aws_quicksight_data_set.this["sales_orders_by_month"].data_set_id,
      aws_quicksight_data_set.this["sales_orders_by_month"].import_mode,
      aws_quicksight_data_source.this.type,
      aws_quicksight_data_source.this.parameters[0].athena[0].work_group,
    ] == ["totelake-test-sales-orders-by-month", "SPICE", "ATHENA", "totelake-test"]
    error_message = "It is imported from Athena, in our workgroup."
  }

  assert {
    condition = [
      for schedule in aws_quicksight_refresh_schedule.this["sales_orders_by_month"].schedule : [
        schedule.refresh_type, schedule.schedule_frequency[0].interval, schedule.schedule_frequency[0].time_of_the_day
      ]
    ] == [["FULL_REFRESH", "DAILY", "05:30"]]
    error_message = "Every day at the time that was asked for."
  }

  assert {
    condition = alltrue([
      for permission in setunion(aws_quicksight_data_source.this.permission, aws_quicksight_data_set.this["sales_orders_by_month"].permissions) :
      contains(var.authors, permission.principal) && alltrue([for action in permission.actions : can(regex(":(Describe|List|Pass)", action))])
    ])
    error_message = "Authors use what is there; only Terraform changes it."
  }
}

run "quicksights_role_reads_the_lake_and_writes_results_and_nothing_else" {
  module {
    source = "./modules/quicksight"
  }

  variables {
    queries     = "./tests/code/questions"
    kms_key_arn = "arn:aws:kms:eu-west-2:123456789012:key/mock"
  }

  assert {
    condition = {
      for statement in jsondecode(aws_iam_policy.this.policy).Statement : statement.Sid => statement.Resource
      if anytrue([for action in statement.Action : startswith(action, "s3:") && action != "s3:GetBucketLocation"])
      } == {
      ListTheLake         = ["arn:aws:s3:::totelake-test-processed"]
      ReadTheLake         = ["arn:aws:s3:::totelake-test-processed/tables/*"]
      ListTheResults      = ["arn:aws:s3:::totelake-test-artifacts"]
      WriteAndReadResults = ["arn:aws:s3:::totelake-test-artifacts/athena/*"]
    }
    error_message = "Neither raw rows nor the jobs' code."
  }

  assert {
    condition = alltrue(flatten([
      for statement in jsondecode(aws_iam_policy.this.policy).Statement : [
        statement.Effect == "Allow", !contains(statement.Resource, "*"), [for action in statement.Action : !strcontains(action, "*")]
      ]
    ]))
    error_message = "Every action and every resource is named."
  }

  assert {
    condition     = aws_iam_role_policy_attachment.this.role == "aws-quicksight-service-role-v0"
    error_message = "Athena works for QuickSight with the rights of QuickSight's role."
  }
}

run "an_hourly_import_has_no_time_of_the_day" {
  command = plan

  module {
    source = "./modules/quicksight"
  }

  variables {
    queries = "./tests/code/questions"
    refresh = { interval = "HOURLY", time_of_the_day = "05:30", timezone = "Europe/London" }
  }

  assert {
    condition     = aws_quicksight_refresh_schedule.this["sales_orders_by_month"].schedule[0].schedule_frequency[0].interval == "HOURLY"
    error_message = "Every hour."
  }
}

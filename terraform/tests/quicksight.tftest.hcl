mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  environment = "test"
  prefix      = "totelake-test"
  scripts     = "./tests/code"
  package     = "./tests/code/package.txt"
  wheels      = "./tests/code/example.gluewheels.zip"
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

run "no_resources_by_default" {
  command = plan

  variables {
    queries = "./tests/code/queries"
  }

  assert {
    condition     = length(module.quicksight) + length(module.quicksight_dashboard) == 0 && output.quicksight_dashboard == null
    error_message = "QuickSight, which is billed per user, is off by default."
  }
}

run "dashboard_without_readers_is_refused" {
  command = plan

  variables {
    queries    = "./tests/code/queries"
    quicksight = { readers = [] }
  }

  expect_failures = [var.quicksight]
}

run "reader_must_be_a_quicksight_arn" {
  command = plan

  variables {
    queries    = "./tests/code/queries"
    quicksight = { readers = ["arn:aws:iam::123456789012:user/someone"] }
  }

  expect_failures = [var.quicksight]
}

run "interval_must_be_daily_or_hourly" {
  command = plan

  variables {
    queries    = "./tests/code/queries"
    quicksight = { readers = ["arn:aws:quicksight:eu-west-2:123456789012:group/default/readers"], refresh = { interval = "WEEKLY" } }
  }

  expect_failures = [var.quicksight]
}

run "every_question_has_a_data_set_and_a_visual" {
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
    error_message = "There is a data set for every file."
  }

  assert {
    condition     = sort(module.quicksight_dashboard[0].visuals) == sort(keys(module.quicksight[0].data_sets))
    error_message = "There is a visual for every data set."
  }

  assert {
    condition     = output.quicksight_dashboard == "totelake-test"
    error_message = "The dashboard has the prefix as its name."
  }
}

run "data_set_query_qualifies_view_names" {
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
    error_message = "The query has no comment and no semicolon, and the database before every view."
  }

  assert {
    condition = [
      aws_quicksight_data_set.this["sales_orders_by_month"].data_set_id,
      aws_quicksight_data_set.this["sales_orders_by_month"].import_mode,
      aws_quicksight_data_source.this.type,
      aws_quicksight_data_source.this.parameters[0].athena[0].work_group,
    ] == ["totelake-test-sales-orders-by-month", "SPICE", "ATHENA", "totelake-test"]
    error_message = "The data set is imported from Athena, in our workgroup."
  }

  assert {
    condition = [
      for schedule in aws_quicksight_refresh_schedule.this["sales_orders_by_month"].schedule : [
        schedule.refresh_type, schedule.schedule_frequency[0].interval, schedule.schedule_frequency[0].time_of_the_day
      ]
    ] == [["FULL_REFRESH", "DAILY", "05:30"]]
    error_message = "The refresh runs daily at the given time."
  }

  assert {
    condition = alltrue([
      for permission in setunion(aws_quicksight_data_source.this.permission, aws_quicksight_data_set.this["sales_orders_by_month"].permissions) :
      contains(var.authors, permission.principal) && alltrue([for action in permission.actions : can(regex(":(Describe|List|Pass)", action))])
    ])
    error_message = "Authors may use but not change data source and data sets."
  }
}

run "quicksight_role_only_reads_the_lake_and_writes_results" {
  module {
    source = "./modules/quicksight_access"
  }

  variables {
    kms_key_arn = "arn:aws:kms:eu-west-2:123456789012:key/mock"
  }

  assert {
    condition = {
      for statement in jsondecode(aws_iam_policy.this.policy).Statement : statement.Sid => statement.Resource
      if anytrue([for action in statement.Action : startswith(action, "s3:") && action != "s3:GetBucketLocation"])
      } == {
      ListLake         = ["arn:aws:s3:::totelake-test-processed"]
      ReadLake         = ["arn:aws:s3:::totelake-test-processed/tables/*"]
      ListResults      = ["arn:aws:s3:::totelake-test-artifacts"]
      ReadWriteResults = ["arn:aws:s3:::totelake-test-artifacts/athena/*"]
    }
    error_message = "The role can read neither raw rows nor the jobs' code."
  }

  assert {
    condition = alltrue(flatten([
      for statement in jsondecode(aws_iam_policy.this.policy).Statement : [
        statement.Effect == "Allow", !contains(statement.Resource, "*"), [for action in statement.Action : !strcontains(action, "*")]
      ]
    ]))
    error_message = "No action and no resource is a wildcard."
  }

  assert {
    condition     = aws_iam_role_policy_attachment.this.role == "aws-quicksight-service-role-v0"
    error_message = "The policy is attached to QuickSight's role."
  }
}

run "hourly_import_has_no_time_of_the_day" {
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
    error_message = "The refresh runs hourly."
  }
}

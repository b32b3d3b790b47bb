mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  name          = "totelake-test"
  bucket        = "totelake-test-artifacts"
  prefix        = "athena/"
  database      = "totesys_processed"
  queries       = "./tests/code/queries"
  gib_per_query = 2
  kms_key_arn   = "arn:aws:kms:eu-west-2:123456789012:key/mock"
}

run "queries_are_limited_and_results_encrypted" {
  module {
    source = "./modules/athena"
  }

  assert {
    condition = alltrue([
      aws_athena_workgroup.this.configuration[0].enforce_workgroup_configuration,
      aws_athena_workgroup.this.configuration[0].publish_cloudwatch_metrics_enabled,
      aws_athena_workgroup.this.configuration[0].bytes_scanned_cutoff_per_query == 2147483648,
    ])
    error_message = "Clients cannot override the limit of scanned bytes."
  }

  assert {
    condition = [
      aws_athena_workgroup.this.configuration[0].result_configuration[0].output_location,
      aws_athena_workgroup.this.configuration[0].result_configuration[0].encryption_configuration[0].encryption_option,
      aws_athena_workgroup.this.configuration[0].result_configuration[0].encryption_configuration[0].kms_key_arn,
    ] == ["s3://totelake-test-artifacts/athena/", "SSE_KMS", var.kms_key_arn]
    error_message = "Results are encrypted under the expiring prefix."
  }

  assert {
    condition = { for name, query in aws_athena_named_query.this : name => [query.name, query.database, query.description] } == {
      sales_orders_by_day = [
        "sales_orders_by_day", "totesys_processed", "How many orders a day? By the day on which they were placed.",
      ]
    }
    error_message = "Every .sql file is a named query <page>_<name> with its question as description."
  }

  assert {
    condition     = endswith(aws_athena_named_query.this["sales_orders_by_day"].query, "SELECT 1\n")
    error_message = "The query text is that of the file."
  }
}

locals {
  queries = {
    for file in fileset(var.queries, "**/*.sql") : replace(trimsuffix(file, ".sql"), "/", "_") => file("${var.queries}/${file}")
  }
  # The comment at the top of a file is the question that it answers.
  questions = {
    for name, query in local.queries : name => join(" ", [for line in regexall("(?m)^-- (.*)$", query) : trimspace(line[0])])
  }
}

resource "aws_athena_workgroup" "this" {
  name          = var.name
  description   = "Queries on the lake, with a limit of bytes scanned per query; results expire in the artifacts bucket."
  force_destroy = var.force_destroy

  configuration {
    enforce_workgroup_configuration    = true
    publish_cloudwatch_metrics_enabled = true
    bytes_scanned_cutoff_per_query     = var.gib_per_query * pow(2, 30)

    engine_version {
      selected_engine_version = "Athena engine version 3"
    }

    result_configuration {
      output_location       = "s3://${var.bucket}/${var.prefix}"
      expected_bucket_owner = data.aws_caller_identity.current.account_id

      encryption_configuration {
        encryption_option = var.kms_key_arn == null ? "SSE_S3" : "SSE_KMS"
        kms_key_arn       = var.kms_key_arn
      }
    }
  }

  tags = { Name = var.name }
}

data "aws_caller_identity" "current" {}

resource "aws_athena_named_query" "this" {
  for_each = local.queries

  name        = each.key
  description = local.questions[each.key]
  workgroup   = aws_athena_workgroup.this.name
  database    = var.database
  query       = each.value
}

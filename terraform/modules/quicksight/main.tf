data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}
data "aws_region" "current" {}

locals {
  partition      = data.aws_partition.current.partition
  region_account = "${data.aws_region.current.name}:${data.aws_caller_identity.current.account_id}"
  lake           = "arn:${local.partition}:s3:::${var.lake.bucket}"
  results        = "arn:${local.partition}:s3:::${var.results.bucket}"

  questions = { for question in var.questions : "${question.page}_${question.name}" => question }

  # QuickSight runs the query as a subquery without a default database, so view names are qualified.
  queries = {
    for key, question in local.questions : key => replace(
      trimsuffix(trimspace(replace(file("${var.queries}/${question.page}/${question.name}.sql"), "/(?m)^--.*\n/", "")), ";"),
      "/\\b(FROM|JOIN) current_/", "$1 ${var.database}.current_",
    )
  }

  data_set_actions    = ["quicksight:DescribeDataSet", "quicksight:DescribeDataSetPermissions", "quicksight:PassDataSet", "quicksight:DescribeIngestion", "quicksight:ListIngestions"]
  data_source_actions = ["quicksight:DescribeDataSource", "quicksight:DescribeDataSourcePermissions", "quicksight:PassDataSource"]
}

# Athena runs QuickSight's queries with QuickSight's own role, of which an account has one.
resource "aws_iam_policy" "this" {
  name        = "${var.name}-quicksight"
  description = "Lets QuickSight query the database ${var.database} through the workgroup ${var.workgroup}."

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat([
      {
        Sid    = "RunAthenaQueries"
        Effect = "Allow"
        Action = [
          "athena:BatchGetQueryExecution", "athena:GetQueryExecution", "athena:GetQueryResults",
          "athena:GetQueryResultsStream", "athena:GetWorkGroup", "athena:StartQueryExecution", "athena:StopQueryExecution",
        ]
        Resource = ["arn:${local.partition}:athena:${local.region_account}:workgroup/${var.workgroup}"]
      },
      {
        Sid      = "ReadAthenaMetadata"
        Effect   = "Allow"
        Action   = ["athena:GetDataCatalog", "athena:GetTableMetadata", "athena:ListDatabases", "athena:ListTableMetadata"]
        Resource = ["arn:${local.partition}:athena:${local.region_account}:datacatalog/AwsDataCatalog"]
      },
      {
        Sid    = "ReadCatalog"
        Effect = "Allow"
        Action = [
          "glue:BatchGetPartition", "glue:GetDatabase", "glue:GetDatabases", "glue:GetPartition", "glue:GetPartitions",
          "glue:GetTable", "glue:GetTables",
        ]
        Resource = [
          "arn:${local.partition}:glue:${local.region_account}:catalog",
          "arn:${local.partition}:glue:${local.region_account}:database/${var.database}",
          "arn:${local.partition}:glue:${local.region_account}:table/${var.database}/*",
        ]
      },
      {
        Sid       = "ListLake"
        Effect    = "Allow"
        Action    = ["s3:ListBucket"]
        Resource  = [local.lake]
        Condition = { StringLike = { "s3:prefix" = ["${var.lake.prefix}*"] } }
      },
      { Sid = "ReadLake", Effect = "Allow", Action = ["s3:GetObject"], Resource = ["${local.lake}/${var.lake.prefix}*"] },
      { Sid = "GetBucketLocations", Effect = "Allow", Action = ["s3:GetBucketLocation"], Resource = [local.lake, local.results] },
      {
        Sid       = "ListResults"
        Effect    = "Allow"
        Action    = ["s3:ListBucket"]
        Resource  = [local.results]
        Condition = { StringLike = { "s3:prefix" = ["${var.results.prefix}*"] } }
      },
      {
        Sid      = "ReadWriteResults"
        Effect   = "Allow"
        Action   = ["s3:AbortMultipartUpload", "s3:GetObject", "s3:ListMultipartUploadParts", "s3:PutObject"]
        Resource = ["${local.results}/${var.results.prefix}*"]
      },
      ], [
      for key in compact([var.kms_key_arn]) :
      { Sid = "UseKey", Effect = "Allow", Action = ["kms:Decrypt", "kms:GenerateDataKey"], Resource = [key] }
    ])
  })
}

resource "aws_iam_role_policy_attachment" "this" {
  role       = var.role
  policy_arn = aws_iam_policy.this.arn
}

resource "aws_quicksight_data_source" "this" {
  data_source_id = var.name
  name           = var.name
  type           = "ATHENA"

  parameters {
    athena {
      work_group = var.workgroup
    }
  }

  dynamic "permission" {
    for_each = var.authors

    content {
      principal = permission.value
      actions   = local.data_source_actions
    }
  }

  depends_on = [aws_iam_role_policy_attachment.this]
}

resource "aws_quicksight_data_set" "this" {
  for_each = local.questions

  data_set_id = "${var.name}-${replace(each.key, "_", "-")}"
  name        = "${var.name}: ${each.value.page}, ${replace(each.value.name, "_", " ")}"
  import_mode = "SPICE"

  physical_table_map {
    physical_table_map_id = "query"

    custom_sql {
      data_source_arn = aws_quicksight_data_source.this.arn
      name            = each.value.name
      sql_query       = local.queries[each.key]

      dynamic "columns" {
        for_each = each.value.columns

        content {
          name = columns.value.name
          type = columns.value.type
        }
      }
    }
  }

  dynamic "permissions" {
    for_each = var.authors

    content {
      principal = permissions.value
      actions   = local.data_set_actions
    }
  }
}

resource "aws_quicksight_refresh_schedule" "this" {
  for_each = aws_quicksight_data_set.this

  data_set_id = each.value.data_set_id
  schedule_id = "refresh"

  schedule {
    refresh_type = "FULL_REFRESH"

    schedule_frequency {
      interval        = var.refresh.interval
      time_of_the_day = var.refresh.interval == "DAILY" ? var.refresh.time_of_the_day : null
      timezone        = var.refresh.timezone
    }
  }
}

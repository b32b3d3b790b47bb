data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}
data "aws_region" "current" {}

locals {
  partition      = data.aws_partition.current.partition
  region_account = "${data.aws_region.current.name}:${data.aws_caller_identity.current.account_id}"
  lake           = "arn:${local.partition}:s3:::${var.lake.bucket}"
  results        = "arn:${local.partition}:s3:::${var.results.bucket}"
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

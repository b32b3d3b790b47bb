data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}
data "aws_region" "current" {}

locals {
  account   = data.aws_caller_identity.current.account_id
  partition = data.aws_partition.current.partition
  region    = data.aws_region.current.name

  bucket  = "arn:${local.partition}:s3:::${var.bucket}"
  catalog = "arn:${local.partition}:glue:${local.region}:${local.account}"

  # With a security configuration each role has its own log group; otherwise all crawlers of the account share one.
  role      = "${var.name}-crawler"
  log_group = var.security_configuration == null ? "/aws-glue/crawlers" : "/aws-glue/crawlers-role/${local.role}-${var.security_configuration}"
  logs      = "arn:${local.partition}:logs:${local.region}:${local.account}:log-group:${local.log_group}"
}

resource "aws_glue_crawler" "this" {
  name          = var.name
  description   = "Discovers the tables and columns in ${var.bucket}, for comparison with the declared tables."
  role          = module.role.arn
  database_name = var.database

  security_configuration = var.security_configuration

  s3_target {
    path       = "s3://${var.bucket}/${var.settings.path}"
    exclusions = var.settings.exclusions
  }

  recrawl_policy {
    recrawl_behavior = var.settings.recrawl_behavior
  }

  schema_change_policy {
    delete_behavior = var.settings.delete_behavior
    update_behavior = var.settings.update_behavior
  }

  # Partitions do not inherit the table's schema, so a batch with other columns is visible.
  configuration = jsonencode({
    Version  = 1.0
    Grouping = { TableLevelConfiguration = var.settings.table_level }
  })

  depends_on = [aws_cloudwatch_log_group.this]
}

# Otherwise Glue creates the group with unlimited retention.
resource "aws_cloudwatch_log_group" "this" {
  count = var.security_configuration == null ? 0 : 1

  name              = local.log_group
  retention_in_days = var.log_retention_days
  kms_key_id        = var.kms_key_arn
}

module "role" {
  source = "../role"

  name        = local.role
  description = "Role of the Glue crawler ${var.name}."
  service     = "glue.amazonaws.com"
  # AWS does not document which ARN Glue passes as aws:SourceArn.
  source_arn = "${local.catalog}:*"

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat(
      [
        {
          Sid      = "ListBucket"
          Effect   = "Allow"
          Action   = ["s3:ListBucket", "s3:GetBucketLocation"]
          Resource = [local.bucket]
        },
        {
          Sid      = "ReadTables"
          Effect   = "Allow"
          Action   = ["s3:GetObject"]
          Resource = ["${local.bucket}/${var.settings.path}*"]
        },
        {
          Sid      = "GetDatabase"
          Effect   = "Allow"
          Action   = ["glue:GetDatabase"]
          Resource = ["${local.catalog}:catalog", "${local.catalog}:database/${var.database}"]
        },
        {
          # AWS does not document which of these a crawler calls; these are all that it could use, in the crawler's own database.
          Sid    = "WriteDiscoveredTables"
          Effect = "Allow"
          Action = [
            "glue:GetTable", "glue:GetTables", "glue:CreateTable", "glue:UpdateTable",
            "glue:GetPartition", "glue:GetPartitions", "glue:BatchGetPartition", "glue:BatchCreatePartition",
            "glue:UpdatePartition", "glue:BatchUpdatePartition",
          ]
          Resource = [
            "${local.catalog}:catalog", "${local.catalog}:database/${var.database}",
            "${local.catalog}:table/${var.database}/*",
          ]
        },
        {
          Sid      = "WriteLogs"
          Effect   = "Allow"
          Action   = ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"]
          Resource = ["${local.logs}:*"]
        },
      ],
      flatten([for name in var.security_configuration[*] : [
        {
          # Glue supports no resource-level permissions for this action.
          Sid       = "ReadSecurityConfiguration"
          Effect    = "Allow"
          Action    = ["glue:GetSecurityConfiguration"]
          Resource  = ["*"]
          Condition = { StringEquals = { "aws:RequestedRegion" = [local.region] } }
        },
        {
          # Glue associates the key with the group before it writes; without this permission it writes no logs.
          Sid      = "EncryptLogs"
          Effect   = "Allow"
          Action   = ["logs:AssociateKmsKey"]
          Resource = [local.logs, "${local.logs}:*"]
        },
      ]]),
      [for arn in var.kms_key_arn == null ? [] : [var.kms_key_arn] : {
        Sid       = "UseKey"
        Effect    = "Allow"
        Action    = ["kms:CreateGrant", "kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey"]
        Resource  = [arn]
        Condition = { StringEquals = { "kms:ViaService" = [for service in ["glue", "s3"] : "${service}.${local.region}.amazonaws.com"] } }
      }],
    )
  })

  role_defaults = var.role_defaults
}

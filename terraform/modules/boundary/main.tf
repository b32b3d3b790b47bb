data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}
data "aws_region" "current" {}

locals {
  partition      = data.aws_partition.current.partition
  account        = data.aws_caller_identity.current.account_id
  region         = data.aws_region.current.name
  region_account = "${local.region}:${local.account}"
  arn_prefix     = "arn:${local.partition}"
  in_region      = { StringEquals = { "aws:RequestedRegion" = local.region } }

  glue = "${local.arn_prefix}:glue:${local.region_account}"

  statements = [
    {
      Sid    = "UseBuckets"
      Effect = "Allow"
      Action = [
        "s3:AbortMultipartUpload", "s3:GetBucketLocation", "s3:GetObject", "s3:ListBucket", "s3:ListBucketVersions",
        "s3:ListMultipartUploadParts", "s3:PutObject",
      ]
      Resource = [for zone in ["ingested", "processed", "artifacts"] : "${local.arn_prefix}:s3:::${var.prefix}-${zone}*"]
    },
    {
      # Spark's committers delete their temporary objects, the load its manifests.
      Sid    = "DeleteTemporaryObjects"
      Effect = "Allow"
      Action = ["s3:DeleteObject"]
      Resource = [
        for keys in ["artifacts/*", "ingested/*/__magic*", "ingested/*/_temporary/*", "processed/*/__magic*", "processed/*/_temporary/*"] :
        "${local.arn_prefix}:s3:::${var.prefix}-${keys}"
      ]
    },
    {
      Sid    = "UseGlue"
      Effect = "Allow"
      Action = [
        "glue:BatchCreatePartition", "glue:BatchDeletePartition", "glue:BatchGetPartition", "glue:BatchUpdatePartition",
        "glue:CreateTable", "glue:GetConnection", "glue:GetCrawler", "glue:GetDatabase", "glue:GetPartition",
        "glue:GetPartitions", "glue:GetTable", "glue:GetTables", "glue:GetWorkflowRunProperties",
        "glue:PutWorkflowRunProperties", "glue:StartJobRun", "glue:StartWorkflowRun", "glue:UpdatePartition",
        "glue:UpdateTable",
      ]
      Resource = concat(
        ["${local.glue}:catalog", "${local.glue}:database/totesys_*", "${local.glue}:table/totesys_*/*"],
        [for kind in ["connection", "crawler", "job", "workflow"] : "${local.glue}:${kind}/${var.prefix}*"],
      )
    },
    {
      # The job define writes the passwords of the warehouse's roles.
      Sid      = "UseSecrets"
      Effect   = "Allow"
      Action   = ["secretsmanager:GetSecretValue", "secretsmanager:PutSecretValue"]
      Resource = [for name in ["${var.prefix}/*", "redshift!${var.prefix}*"] : "${local.arn_prefix}:secretsmanager:${local.region_account}:secret:${name}"]
    },
    {
      # The names of secrets that RDS manages are generated; RDS tags them with their instance.
      Sid       = "ReadSecretsOfInstances"
      Effect    = "Allow"
      Action    = ["secretsmanager:GetSecretValue"]
      Resource  = ["${local.arn_prefix}:secretsmanager:${local.region_account}:secret:rds!db-*"]
      Condition = { ArnLike = { "aws:ResourceTag/aws:rds:primaryDBInstanceArn" = "${local.arn_prefix}:rds:${local.region_account}:db:${var.prefix}*" } }
    },
    {
      Sid    = "WriteLogs"
      Effect = "Allow"
      Action = [
        "logs:AssociateKmsKey", "logs:CreateLogGroup", "logs:CreateLogStream", "logs:DescribeLogStreams",
        "logs:PutLogEvents", "logs:PutRetentionPolicy",
      ]
      Resource = [
        for group in ["*${var.prefix}*", "RDSOSMetrics*"] : "${local.arn_prefix}:logs:${local.region_account}:log-group:${group}"
      ]
    },
    {
      # A job in a VPC has a network interface for each worker.
      Sid    = "CreateNetworkInterfaces"
      Effect = "Allow"
      Action = ["ec2:CreateNetworkInterface"]
      Resource = [
        for kind in ["network-interface", "security-group", "subnet"] : "${local.arn_prefix}:ec2:${local.region_account}:${kind}/*"
      ]
    },
    {
      Sid      = "ManageNetworkInterfaces"
      Effect   = "Allow"
      Action   = ["ec2:CreateTags", "ec2:DeleteNetworkInterface", "ec2:DeleteTags"]
      Resource = ["${local.arn_prefix}:ec2:${local.region_account}:network-interface/*"]
    },
    {
      # None of these actions changes a resource or has resource-level permissions.
      Sid    = "UseUnnamedResources"
      Effect = "Allow"
      Action = [
        "cloudwatch:PutMetricData", "ec2:DescribeNetworkInterfaces", "ec2:DescribeRouteTables",
        "ec2:DescribeSecurityGroups", "ec2:DescribeSubnets", "ec2:DescribeVpcAttribute", "ec2:DescribeVpcEndpoints",
        "glue:GetSecurityConfiguration", "logs:DescribeLogGroups", "redshift-data:CancelStatement",
        "redshift-data:DescribeStatement", "redshift-data:GetStatementResult",
      ]
      Resource  = ["*"]
      Condition = local.in_region
    },
    {
      # The ARNs of workgroups have generated ids, which the roles' own policies name.
      Sid       = "UseRedshift"
      Effect    = "Allow"
      Action    = ["redshift-data:BatchExecuteStatement", "redshift-data:ExecuteStatement", "redshift-serverless:GetCredentials"]
      Resource  = ["${local.arn_prefix}:redshift-serverless:${local.region_account}:workgroup/*"]
      Condition = local.in_region
    },
    {
      Sid    = "SendMessages"
      Effect = "Allow"
      Action = ["sns:Publish", "sqs:SendMessage"]
      Resource = [
        for service in ["sns", "sqs"] : "${local.arn_prefix}:${service}:${local.region_account}:${var.prefix}*"
      ]
    },
  ]

  key_statements = [
    for arn in var.kms_key_arn[*] : {
      Sid      = "UseKey"
      Effect   = "Allow"
      Action   = ["kms:CreateGrant", "kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey"]
      Resource = [arn]
    }
  ]
}

# The most that a role of the environment can do, whatever its own policies allow: neither IAM nor resources of others.
resource "aws_iam_policy" "this" {
  #checkov:skip=CKV_AWS_290: A boundary grants nothing; the roles' own policies name their resources.
  #checkov:skip=CKV_AWS_355: Actions without resource-level permissions need the resource *, limited to the region.
  name        = "${var.prefix}-boundary"
  description = "Permissions boundary of the roles of ${var.prefix}."

  policy = jsonencode({ Version = "2012-10-17", Statement = concat(local.statements, local.key_statements) })
}

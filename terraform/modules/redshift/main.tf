data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}
data "aws_region" "current" {}

locals {
  account   = data.aws_caller_identity.current.account_id
  partition = data.aws_partition.current.partition
  region    = data.aws_region.current.name

  port = 5439
  logs = ["connectionlog", "useractivitylog", "userlog"]

  parameters = {
    require_ssl                  = "true"
    enable_user_activity_logging = "true"
    max_query_execution_time     = "3600"
  }

  copied = distinct(var.copies[*].bucket)
}

resource "aws_redshiftserverless_namespace" "this" {
  namespace_name = var.name
  db_name        = var.database

  # Redshift keeps the password in a secret of its own, and changes it every thirty days.
  admin_username                   = var.owner
  manage_admin_password            = true
  admin_password_secret_kms_key_id = var.kms_key_arn

  kms_key_id  = var.kms_key_arn
  iam_roles   = [aws_iam_role.copy.arn]
  log_exports = local.logs

  depends_on = [aws_cloudwatch_log_group.this]
}

resource "aws_redshiftserverless_workgroup" "this" {
  workgroup_name = var.name
  namespace_name = aws_redshiftserverless_namespace.this.namespace_name
  base_capacity  = var.base_capacity
  max_capacity   = var.max_capacity
  port           = local.port

  subnet_ids           = var.subnet_ids
  security_group_ids   = [aws_security_group.this.id]
  publicly_accessible  = false
  enhanced_vpc_routing = true # COPY reads by the endpoint of the VPC, not over the internet

  dynamic "config_parameter" {
    for_each = local.parameters

    content {
      parameter_key   = config_parameter.key
      parameter_value = config_parameter.value
    }
  }
}

resource "aws_redshiftserverless_usage_limit" "this" {
  resource_arn  = aws_redshiftserverless_workgroup.this.arn
  usage_type    = "serverless-compute"
  period        = "monthly"
  amount        = var.monthly_limit.rpu_hours
  breach_action = var.monthly_limit.action
}

resource "aws_security_group" "this" {
  name        = var.name
  description = "The workgroup ${var.name}, which the jobs reach by the Data API."
  vpc_id      = var.vpc_id

  tags = { Name = var.name }
}

resource "aws_vpc_security_group_ingress_rule" "readers" {
  for_each = var.reader_cidr_blocks

  security_group_id = aws_security_group.this.id
  description       = "From whoever asks the warehouse."
  cidr_ipv4         = each.key
  ip_protocol       = "tcp"
  from_port         = local.port
  to_port           = local.port
}

data "aws_ec2_managed_prefix_list" "s3" {
  name = "com.amazonaws.${local.region}.s3"
}

resource "aws_vpc_security_group_egress_rule" "s3" {
  security_group_id = aws_security_group.this.id
  description       = "To S3, which COPY reads."
  prefix_list_id    = data.aws_ec2_managed_prefix_list.s3.id
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
}

# Redshift would make the groups itself, without a key and to be kept for ever.
resource "aws_cloudwatch_log_group" "this" {
  for_each = toset(local.logs)

  name              = "/aws/redshift/${var.name}/${each.key}"
  retention_in_days = var.log_retention_days
  kms_key_id        = var.kms_key_arn
}

resource "aws_iam_role" "copy" {
  name        = "${var.name}-copy"
  description = "What a COPY of ${var.name} may read."

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = ["redshift.amazonaws.com", "redshift-serverless.amazonaws.com"] }
      # Redshift has neither a source account nor a source ARN: it says as an external id which database user copies.
      Condition = {
        StringLike = {
          "sts:ExternalId" = (
            "arn:${local.partition}:redshift:${local.region}:${local.account}:dbuser:serverless-${local.account}-*/${var.owner}"
          )
        }
      }
    }]
  })
}

resource "aws_iam_role_policy" "copy" {
  name = "copy"
  role = aws_iam_role.copy.id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat(
      [
        {
          Sid      = "ListBuckets"
          Effect   = "Allow"
          Action   = ["s3:ListBucket", "s3:GetBucketLocation"]
          Resource = [for bucket in local.copied : "arn:${local.partition}:s3:::${bucket}"]
        },
        {
          Sid      = "ReadWhatIsCopied"
          Effect   = "Allow"
          Action   = ["s3:GetObject"]
          Resource = [for place in var.copies : "arn:${local.partition}:s3:::${place.bucket}/${place.keys}"]
        },
      ],
      [for arn in var.kms_key_arn[*] : {
        Sid       = "UseKey"
        Effect    = "Allow"
        Action    = ["kms:Decrypt"]
        Resource  = [arn]
        Condition = { StringEquals = { "kms:ViaService" = ["s3.${local.region}.amazonaws.com"] } }
      }],
    )
  })
}

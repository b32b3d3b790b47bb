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

  copy_buckets = distinct(var.copies[*].bucket)
}

resource "aws_redshiftserverless_namespace" "this" {
  namespace_name = var.name
  db_name        = var.database

  # Redshift manages the password in its own secret and rotates it every thirty days.
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
  enhanced_vpc_routing = true # COPY reads through the S3 endpoint of the VPC, not over the internet

  dynamic "config_parameter" {
    for_each = local.parameters

    content {
      parameter_key   = config_parameter.key
      parameter_value = config_parameter.value
    }
  }

  lifecycle {
    # Redshift adds parameters that are not declared, among them enable_large_strings_opt_in, which the provider refuses, so
    # every plan would have a change that Redshift rejects. The parameters are set when the workgroup is created.
    ignore_changes = [config_parameter]
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
  description = "Workgroup ${var.name}, used by the jobs through the Data API."
  vpc_id      = var.vpc_id

  tags = { Name = var.name }
}

resource "aws_vpc_security_group_ingress_rule" "readers" {
  for_each = var.reader_cidr_blocks

  security_group_id = aws_security_group.this.id
  description       = "From readers of the warehouse."
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
  description       = "To S3, for COPY."
  prefix_list_id    = data.aws_ec2_managed_prefix_list.s3.id
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
}

# Otherwise Redshift creates the groups without a key and with unlimited retention.
resource "aws_cloudwatch_log_group" "this" {
  for_each = toset(local.logs)

  name              = "/aws/redshift/${var.name}/${each.key}"
  retention_in_days = var.log_retention_days
  kms_key_id        = var.kms_key_arn
}

resource "aws_iam_role" "copy" {
  name                 = "${var.name}-copy"
  path                 = var.role_defaults.path
  permissions_boundary = var.role_defaults.permissions_boundary
  description          = "Role of COPY in ${var.name}."

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = ["redshift.amazonaws.com", "redshift-serverless.amazonaws.com"] }
      # Redshift passes neither aws:SourceAccount nor aws:SourceArn; the external id identifies the database user.
      Condition = {
        StringLike = {
          "sts:ExternalId" = (
            "arn:${local.partition}:redshift:${local.region}:${local.account}:dbuser:serverless-${local.account}-*/${var.loader}"
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
          Resource = [for bucket in local.copy_buckets : "arn:${local.partition}:s3:::${bucket}"]
        },
        {
          Sid      = "ReadCopySources"
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

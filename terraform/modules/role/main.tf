data "aws_caller_identity" "current" {}

resource "aws_iam_role" "this" {
  name                 = var.name
  path                 = var.role_defaults.path
  permissions_boundary = var.role_defaults.permissions_boundary
  description          = var.description

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{ for element, value in {
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = var.service }
      Condition = var.source_arn == null ? null : {
        StringEquals = { "aws:SourceAccount" = data.aws_caller_identity.current.account_id }
        ArnLike      = { "aws:SourceArn" = var.source_arn }
      }
    } : element => value if value != null }]
  })
}

resource "aws_iam_role_policy" "this" {
  name   = "role"
  role   = aws_iam_role.this.id
  policy = var.policy
}

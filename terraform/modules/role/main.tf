data "aws_caller_identity" "current" {}

resource "aws_iam_role" "this" {
  name                 = var.name
  path                 = var.role_defaults.path
  permissions_boundary = var.role_defaults.permissions_boundary
  description          = var.description

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = var.service }
      Condition = {
        StringEquals = { "aws:SourceAccount" = data.aws_caller_identity.current.account_id }
        ArnLike      = { "aws:SourceArn" = var.source_arn }
      }
    }]
  })
}

resource "aws_iam_role_policy" "this" {
  name   = "role"
  role   = aws_iam_role.this.id
  policy = var.policy
}

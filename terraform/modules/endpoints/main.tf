data "aws_caller_identity" "current" {}
data "aws_region" "current" {}

locals {
  region = data.aws_region.current.name

  shared = var.shared_cidr_blocks != null

  # Prevents exfiltration of data with credentials of another account. Null, AWS's default, allows every request: other
  # workloads of a shared VPC may use other accounts, or read public buckets without credentials.
  policy = local.shared ? null : jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "OnlyThisAccount"
      Effect    = "Allow"
      Principal = "*"
      Action    = "*"
      Resource  = "*"
      Condition = { StringEquals = { "aws:PrincipalAccount" = data.aws_caller_identity.current.account_id } }
    }]
  })
}

resource "aws_vpc_endpoint" "s3" {
  count = var.gateway ? 1 : 0

  vpc_id            = var.vpc_id
  service_name      = "com.amazonaws.${local.region}.s3"
  vpc_endpoint_type = "Gateway"
  route_table_ids   = var.route_table_ids
  policy            = local.policy

  tags = { Name = "${var.prefix}-s3" }
}

resource "aws_vpc_endpoint" "interface" {
  for_each = var.services

  vpc_id              = var.vpc_id
  service_name        = "com.amazonaws.${local.region}.${each.key}"
  vpc_endpoint_type   = "Interface"
  subnet_ids          = [var.subnet_id] # the price is per availability zone, and the jobs run in one
  security_group_ids  = [aws_security_group.this[0].id]
  private_dns_enabled = true
  policy              = local.policy

  tags = { Name = "${var.prefix}-${each.key}" }
}

resource "aws_security_group" "this" {
  count = length(var.services) > 0 ? 1 : 0

  name        = "${var.prefix}-endpoints"
  description = "Interface endpoints of ${var.prefix}, without outbound traffic."
  vpc_id      = var.vpc_id

  tags = { Name = "${var.prefix}-endpoints" }
}

# The endpoints' DNS names apply to the whole VPC, so all of a shared one may connect.
resource "aws_vpc_security_group_ingress_rule" "this" {
  for_each = toset(length(var.services) == 0 ? [] : coalesce(var.shared_cidr_blocks, ["jobs"]))

  security_group_id            = aws_security_group.this[0].id
  description                  = local.shared ? "From the VPC." : "From the jobs."
  referenced_security_group_id = local.shared ? null : var.client_security_group_id
  cidr_ipv4                    = local.shared ? each.key : null
  ip_protocol                  = "tcp"
  from_port                    = 443
  to_port                      = 443
}

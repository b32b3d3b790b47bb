data "aws_region" "current" {}

data "aws_vpc" "existing" {
  count = local.is_new ? 0 : 1

  id = var.vpc_id
}

data "aws_subnet" "existing" {
  count = local.is_new ? 0 : 1

  id = var.subnet_ids[0]
}

data "aws_ec2_managed_prefix_list" "s3" {
  name = "com.amazonaws.${local.region}.s3"
}

locals {
  region = data.aws_region.current.name

  # Availability zones of a new VPC, with subnet numbers that do not depend on the zones that the region has.
  zones = { for number, letter in local.is_new ? var.zones : [] : "${local.region}${letter}" => number }

  is_new          = var.vpc_id == null
  vpc_id          = local.is_new ? aws_vpc.this[0].id : var.vpc_id
  cidr_block      = local.is_new ? var.cidr_block : data.aws_vpc.existing[0].cidr_block
  subnet_ids      = local.is_new ? values(aws_subnet.this)[*].id : var.subnet_ids
  route_table_ids = local.is_new ? aws_route_table.this[*].id : var.route_table_ids

  # Of an existing VPC, only the given route tables change, and its other workloads may use the endpoints too.
  gateway            = length(local.route_table_ids) > 0
  shared_cidr_blocks = local.is_new ? null : data.aws_vpc.existing[0].cidr_block_associations[*].cidr_block

  # CIDR blocks and ports of databases: besides AWS itself, the jobs can connect only to these.
  database_cidr_blocks = distinct(concat([local.cidr_block], var.peer[*].cidr_block, var.database_cidr_blocks))
  databases = {
    for pair in setproduct(local.database_cidr_blocks, distinct(var.database_ports)) :
    "${pair[0]}:${pair[1]}" => { cidr_block = pair[0], port = pair[1] }
  }
}

resource "aws_vpc" "this" {
  #checkov:skip=CKV2_AWS_12: Nothing uses the default security group; it has no tags, so changing it takes a permission on groups of others.
  count = local.is_new ? 1 : 0

  cidr_block           = var.cidr_block
  enable_dns_support   = true
  enable_dns_hostnames = true # for private DNS names of the interface endpoints

  tags = { Name = var.prefix }
}

resource "aws_subnet" "this" {
  for_each = local.zones

  vpc_id                  = aws_vpc.this[0].id
  availability_zone       = each.key
  cidr_block              = cidrsubnet(var.cidr_block, 2, each.value)
  map_public_ip_on_launch = false

  tags = { Name = "${var.prefix}-private-${each.key}" }
}

# No route to the internet: neither an internet gateway nor a NAT.
resource "aws_route_table" "this" {
  count = local.is_new ? 1 : 0

  vpc_id = aws_vpc.this[0].id

  tags = { Name = "${var.prefix}-private" }
}

resource "aws_route_table_association" "this" {
  for_each = local.zones

  subnet_id      = aws_subnet.this[each.key].id
  route_table_id = aws_route_table.this[0].id
}

resource "aws_vpc_peering_connection" "this" {
  count = var.peer == null ? 0 : 1

  vpc_id      = local.vpc_id
  peer_vpc_id = var.peer.vpc_id
  auto_accept = true # both are in this account and region

  accepter {
    allow_remote_vpc_dns_resolution = true
  }

  requester {
    allow_remote_vpc_dns_resolution = true
  }

  tags = { Name = "${var.prefix}-databases" }
}

resource "aws_route" "to_peer" {
  count = var.peer == null ? 0 : 1

  route_table_id            = aws_route_table.this[0].id
  destination_cidr_block    = var.peer.cidr_block
  vpc_peering_connection_id = aws_vpc_peering_connection.this[0].id
}

resource "aws_route" "from_peer" {
  for_each = toset(var.peer == null ? [] : var.peer.route_table_ids)

  route_table_id            = each.key
  destination_cidr_block    = local.cidr_block
  vpc_peering_connection_id = aws_vpc_peering_connection.this[0].id
}

resource "aws_security_group" "jobs" {
  #checkov:skip=CKV2_AWS_5: Glue attaches it to the network interfaces that it creates for each run.
  name        = "${var.prefix}-jobs"
  description = "Glue jobs of ${var.prefix}."
  vpc_id      = local.vpc_id

  tags = { Name = "${var.prefix}-jobs" }
}

# Glue requires a self-referencing rule for all TCP ports, for the traffic between the workers of a run.
resource "aws_vpc_security_group_ingress_rule" "workers" {
  #checkov:skip=CKV_AWS_24: The source is the group itself, not an address.
  #checkov:skip=CKV_AWS_25: The source is the group itself, not an address.
  #checkov:skip=CKV_AWS_260: The source is the group itself, not an address.
  security_group_id            = aws_security_group.jobs.id
  description                  = "From the other workers of a run."
  referenced_security_group_id = aws_security_group.jobs.id
  ip_protocol                  = "tcp"
  from_port                    = 0
  to_port                      = 65535
}

resource "aws_vpc_security_group_egress_rule" "workers" {
  security_group_id            = aws_security_group.jobs.id
  description                  = "To the other workers of a run."
  referenced_security_group_id = aws_security_group.jobs.id
  ip_protocol                  = "tcp"
  from_port                    = 0
  to_port                      = 65535
}

resource "aws_vpc_security_group_egress_rule" "s3" {
  security_group_id = aws_security_group.jobs.id
  description       = "To S3 through the gateway endpoint."
  prefix_list_id    = data.aws_ec2_managed_prefix_list.s3.id
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
}

resource "aws_vpc_security_group_egress_rule" "aws" {
  security_group_id = aws_security_group.jobs.id
  description       = "To AWS through the interface endpoints."
  cidr_ipv4         = local.cidr_block
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
}

resource "aws_vpc_security_group_egress_rule" "https" {
  for_each = toset(var.https_cidr_blocks)

  security_group_id = aws_security_group.jobs.id
  description       = "To AWS outside the VPC."
  cidr_ipv4         = each.key
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
}

resource "aws_vpc_security_group_egress_rule" "databases" {
  for_each = local.databases

  security_group_id = aws_security_group.jobs.id
  description       = "To databases."
  cidr_ipv4         = each.value.cidr_block
  ip_protocol       = "tcp"
  from_port         = each.value.port
  to_port           = each.value.port
}

module "endpoints" {
  source = "../endpoints"

  prefix                   = var.prefix
  vpc_id                   = local.vpc_id
  subnet_id                = local.subnet_ids[0]
  gateway                  = local.gateway
  route_table_ids          = local.route_table_ids
  services                 = var.services
  client_security_group_id = aws_security_group.jobs.id
  shared_cidr_blocks       = local.shared_cidr_blocks
}

module "flow_log" {
  source = "../flow_log"
  count  = local.is_new ? 1 : 0

  prefix             = var.prefix
  vpc_id             = aws_vpc.this[0].id
  kms_key_arn        = var.kms_key_arn
  log_retention_days = var.log_retention_days
  role_defaults      = var.role_defaults
}

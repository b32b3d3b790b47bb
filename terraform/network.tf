locals {
  # Services that the jobs call through the VPC. Those in disable_proxy go through Glue's own proxy otherwise, as the jobs'
  # output to CloudWatch Logs always does; S3 and Secrets Manager call KMS themselves, and Glue assumes the role.
  services = setunion(
    ["secretsmanager"],
    var.warehouse_kind == "redshift" ? ["redshift-data"] : [],
    local.disable_proxy ? ["glue", "monitoring"] : [],
  )

  disable_proxy = var.network == null ? false : var.network.disable_proxy

  database_ports = concat(
    [nonsensitive(var.totesys.port)],
    var.warehouse_kind == "existing" ? [nonsensitive(var.warehouse.port)] : [],
    var.warehouse_kind == "postgres" ? [5432] : [],
  )
}

module "network" {
  source = "./modules/network"
  count  = var.network == null ? 0 : 1

  prefix = var.prefix

  vpc_id               = var.network.vpc_id
  subnet_ids           = var.network.subnet_ids
  route_table_ids      = var.network.route_table_ids
  cidr_block           = var.network.cidr_block
  zones                = var.network.zones
  peer                 = var.network.peer
  database_cidr_blocks = var.network.database_cidr_blocks
  database_ports       = local.database_ports
  https_cidr_blocks    = var.network.https_cidr_blocks
  # The DNS names of an endpoint apply to all workloads of the VPC, so an existing VPC gets only those that are asked for.
  services = coalesce(var.network.services, var.network.vpc_id == null ? local.services : [])

  kms_key_arn        = local.kms_key_arn
  log_retention_days = var.log_retention_days

  role_defaults = local.role_defaults
}

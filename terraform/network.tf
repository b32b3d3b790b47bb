locals {
  # AWS services that the jobs call; the Redshift Data API only for a Redshift warehouse.
  services = setunion(
    ["glue", "kms", "logs", "monitoring", "secretsmanager", "sts"],
    var.warehouse_kind == "redshift" ? ["redshift-data"] : [],
  )

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
  services             = coalesce(var.network.services, local.services)

  kms_key_arn        = local.kms_key_arn
  log_retention_days = var.log_retention_days

  role_defaults = local.role_defaults
}

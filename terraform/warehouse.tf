module "warehouse" {
  source = "./modules/warehouse"

  prefix             = var.prefix
  kind               = var.warehouse_kind
  login              = var.warehouse
  ssl_mode           = var.ssl_mode
  certificates       = local.certificates
  network            = one(module.network)
  reader_cidr_blocks = var.warehouse_reader_cidr_blocks
  postgres           = var.postgres
  redshift           = var.redshift

  # The files of a batch, and the manifests that the load writes.
  copies = [
    { bucket = module.lake.buckets.processed, keys = "tables/*" },
    { bucket = module.lake.buckets.artifacts, keys = "temporary/${var.prefix}-load/*" },
  ]

  kms_key_arn             = local.kms_key_arn
  recovery_window_in_days = var.secret_recovery_days
  log_retention_days      = var.log_retention_days

  role_defaults = local.role_defaults
}

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

# Started after a deployment: it creates the tables and roles of the warehouse, and is the only job with the owner's login.
module "define" {
  source = "./modules/glue_job"
  count  = var.warehouse_kind == "existing" ? 0 : 1

  name           = "${var.prefix}-define"
  description    = "Creates the tables and roles of the warehouse, as its owner."
  script         = module.artifacts.scripts.define
  package        = module.artifacts.package
  artifacts      = module.lake.buckets.artifacts
  python_modules = local.python_modules
  certificates   = module.artifacts.certificates
  code_version   = local.code_version
  kms_key_arn    = local.kms_key_arn

  security_configuration = local.security_configuration
  log_retention_days     = var.log_retention_days
  trust_conditions       = var.job_trust_conditions
  disable_proxy          = local.disable_proxy
  glue_metrics           = var.glue_metrics

  reads       = []
  arguments   = module.warehouse.definition.arguments
  connections = module.warehouse.definition.connections
  statements  = module.warehouse.definition.statements

  role_defaults = local.role_defaults
}

locals {
  declarations = jsondecode(file("${path.module}/tables.json"))
  code_version = coalesce(var.code_version, module.artifacts.package_hash)
  kms_key_arn  = one(data.aws_kms_alias.key[*].target_key_arn)

  python_modules    = var.wheels == null ? var.python_modules : [module.artifacts.wheels]
  certificates_name = "databases-ca.pem" # as in totelake/runtime/connections.py
  certificates      = var.ca_certificates == null ? null : local.certificates_name

  # The role that deploys may create only roles with this path and the boundary that `make bootstrap` created.
  role_defaults = {
    path = "/${var.prefix}/"
    permissions_boundary = (
      var.permissions_boundary
      ? "arn:${data.aws_partition.current.partition}:iam::${data.aws_caller_identity.current.account_id}:policy/${var.prefix}-boundary"
      : null
    )
  }

  security_configuration = one(module.security_configuration[*].name)

  compacted_buckets   = [module.lake.buckets.ingested, module.lake.buckets.processed]
  compacted_databases = [module.catalog.databases.ingested, module.catalog.databases.processed]
}

data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}

# `make bootstrap` creates the key, so that neither a deployment nor its removal can change or delete it.
data "aws_kms_alias" "key" {
  count = var.encrypt_with_own_key ? 1 : 0

  name = "alias/${var.prefix}"
}

module "security_configuration" {
  source = "./modules/security_configuration"
  count  = var.encrypt_with_own_key ? 1 : 0

  name        = var.prefix
  kms_key_arn = local.kms_key_arn
}

module "lake" {
  source = "./modules/lake"

  prefix          = var.prefix
  kms_key_arn     = local.kms_key_arn
  retention_days  = var.retention_days
  lifecycle_rules = var.lifecycle_rules
  force_destroy   = var.force_destroy
}

module "artifacts" {
  source = "./modules/artifacts"

  bucket  = module.lake.buckets.artifacts
  stages  = ["ingest", "transform", "load", "reconcile", "drift", "compact", "verify", "define"]
  scripts = var.scripts
  package = var.package
  wheels  = var.wheels

  certificates      = var.ca_certificates
  certificates_name = local.certificates_name
}

module "catalog" {
  source = "./modules/catalog"

  databases = local.declarations.databases
  tables    = local.declarations.tables
  views     = local.declarations.views
  buckets   = module.lake.buckets

  encrypt     = var.encrypt_catalog
  kms_key_arn = local.kms_key_arn
}

module "totesys" {
  source = "./modules/connection"

  prefix                  = var.prefix
  name                    = "totesys"
  description             = "Source database, with a read-only role."
  login                   = var.totesys
  ssl_mode                = var.ssl_mode
  certificates            = local.certificates
  placement               = one(module.network[*].placement)
  kms_key_arn             = local.kms_key_arn
  recovery_window_in_days = var.secret_recovery_days
}

module "ingest" {
  source = "./modules/glue_job"

  name           = "${var.prefix}-ingest"
  description    = "Ingests changes of totesys into the ingested bucket."
  script         = module.artifacts.scripts.ingest
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

  arguments = {
    "--source_connection" = module.totesys.name
    "--ingested"          = module.lake.buckets.ingested
  }

  connections    = [module.totesys.grant]
  reads          = [{ bucket = module.lake.buckets.ingested, keys = ["log/*", "checkpoints/*", "tables/*"] }]
  writes         = [{ bucket = module.lake.buckets.ingested, keys = ["log/*", "checkpoints/*", "tables/*"] }]
  registers_in   = [module.catalog.databases.ingested]
  run_properties = { writes = module.workflow.arn }

  role_defaults = local.role_defaults
}

module "transform" {
  source = "./modules/glue_job"

  name           = "${var.prefix}-transform"
  description    = "Builds the star schemas in the processed bucket from the ingested batches."
  script         = module.artifacts.scripts.transform
  package        = module.artifacts.package
  artifacts      = module.lake.buckets.artifacts
  python_modules = local.python_modules
  code_version   = local.code_version
  kms_key_arn    = local.kms_key_arn

  security_configuration = local.security_configuration
  log_retention_days     = var.log_retention_days
  trust_conditions       = var.job_trust_conditions
  glue_metrics           = var.glue_metrics

  arguments = {
    "--ingested"  = module.lake.buckets.ingested
    "--processed" = module.lake.buckets.processed
  }

  reads = [
    { bucket = module.lake.buckets.ingested, keys = ["log/*", "checkpoints/*", "tables/*"] },
    # Spark's committer copies its output, including quarantine, so it needs read access.
    { bucket = module.lake.buckets.processed, keys = ["log/*", "checkpoints/*", "tables/*", "quarantine/*"] },
  ]
  writes       = [{ bucket = module.lake.buckets.processed, keys = ["log/*", "checkpoints/*", "tables/*", "quarantine/*"] }]
  registers_in = [module.catalog.databases.processed]
  # A rebuild drops the partitions of the replaced batches.
  unregisters_in = [module.catalog.databases.processed]

  role_defaults = local.role_defaults
}

module "load" {
  source = "./modules/glue_job"

  name           = "${var.prefix}-load"
  description    = "Loads the star schemas from the processed bucket into the warehouse."
  script         = module.artifacts.scripts.load
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

  arguments = merge(module.warehouse.arguments, {
    "--processed" = module.lake.buckets.processed
  })

  connections    = module.warehouse.connections
  statements     = module.warehouse.statements
  reads          = [{ bucket = module.lake.buckets.processed, keys = ["log/*", "checkpoints/*", "tables/*"] }]
  run_properties = { reads = module.workflow.arn }

  role_defaults = local.role_defaults
}

module "reconcile" {
  source = "./modules/glue_job"

  name           = "${var.prefix}-reconcile"
  description    = "Compares the warehouse with totesys, and fails when they differ."
  script         = module.artifacts.scripts.reconcile
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

  arguments = merge(module.warehouse.arguments, {
    "--source_connection" = module.totesys.name
    "--ingested"          = module.lake.buckets.ingested
    "--processed"         = module.lake.buckets.processed
  })

  connections = concat([module.totesys.grant], module.warehouse.connections)
  statements  = module.warehouse.statements
  reads = [
    { bucket = module.lake.buckets.ingested, keys = ["log/*", "checkpoints/*", "tables/*"] },
    { bucket = module.lake.buckets.processed, keys = ["log/*", "checkpoints/*", "quarantine/*"] },
  ]

  role_defaults = local.role_defaults
}

module "compact" {
  source = "./modules/glue_job"

  name           = "${var.prefix}-compact"
  description    = "Merges the small files of many batches into few, in both zones of the lake."
  script         = module.artifacts.scripts.compact
  package        = module.artifacts.package
  artifacts      = module.lake.buckets.artifacts
  python_modules = local.python_modules
  code_version   = local.code_version
  kms_key_arn    = local.kms_key_arn

  security_configuration = local.security_configuration
  log_retention_days     = var.log_retention_days
  trust_conditions       = var.job_trust_conditions
  glue_metrics           = var.glue_metrics

  arguments = {
    "--ingested"  = module.lake.buckets.ingested
    "--processed" = module.lake.buckets.processed
  }

  reads = [
    for bucket in local.compacted_buckets : { bucket = bucket, keys = ["log/*", "checkpoints/*", "tables/*"] }
  ]
  # Commit records are written by the other jobs only.
  writes         = [for bucket in local.compacted_buckets : { bucket = bucket, keys = ["checkpoints/*", "tables/*"] }]
  registers_in   = local.compacted_databases
  unregisters_in = local.compacted_databases

  role_defaults = local.role_defaults
}

module "verify" {
  source = "./modules/glue_job"

  name           = "${var.prefix}-verify"
  description    = "Checks the files of the lake, and fails when one is missing or altered."
  script         = module.artifacts.scripts.verify
  package        = module.artifacts.package
  artifacts      = module.lake.buckets.artifacts
  python_modules = local.python_modules
  code_version   = local.code_version
  kms_key_arn    = local.kms_key_arn

  security_configuration = local.security_configuration
  log_retention_days     = var.log_retention_days
  trust_conditions       = var.job_trust_conditions
  glue_metrics           = var.glue_metrics

  arguments = {
    "--ingested"  = module.lake.buckets.ingested
    "--processed" = module.lake.buckets.processed
  }

  reads = [
    { bucket = module.lake.buckets.ingested, keys = ["log/*", "checkpoints/*", "tables/*"] },
    { bucket = module.lake.buckets.processed, keys = ["log/*", "checkpoints/*", "tables/*", "quarantine/*"] },
  ]
  lists_versions_in   = [module.lake.buckets.ingested, module.lake.buckets.processed]
  lists_partitions_in = [module.catalog.databases.ingested, module.catalog.databases.processed]

  role_defaults = local.role_defaults
}

module "workflow" {
  source = "./modules/workflow"

  name        = var.prefix
  description = "Ingests changes of totesys into the lake and loads them into the warehouse."
  steps = [
    { name = "ingest", job = module.ingest.name },
    { name = "transform", job = module.transform.name },
    { name = "load", job = module.load.name },
  ]
}

module "schedule" {
  source = "./modules/schedule"

  target      = { kind = "workflow", name = module.workflow.name, arn = module.workflow.arn }
  expression  = var.schedule.expression
  timezone    = var.schedule.timezone
  enabled     = var.schedule.enabled
  keep_missed = var.keep_missed_starts
  kms_key_arn = local.kms_key_arn

  role_defaults = local.role_defaults
}

module "reconcile_schedule" {
  source = "./modules/schedule"

  target      = { kind = "job", name = module.reconcile.name, arn = module.reconcile.arn }
  expression  = var.reconcile_schedule.expression
  timezone    = var.reconcile_schedule.timezone
  enabled     = var.reconcile_schedule.enabled
  keep_missed = var.keep_missed_starts
  kms_key_arn = local.kms_key_arn

  role_defaults = local.role_defaults
}

module "compact_schedule" {
  source = "./modules/schedule"

  target      = { kind = "job", name = module.compact.name, arn = module.compact.arn }
  expression  = var.compact_schedule.expression
  timezone    = var.compact_schedule.timezone
  enabled     = var.compact_schedule.enabled
  keep_missed = var.keep_missed_starts
  kms_key_arn = local.kms_key_arn

  role_defaults = local.role_defaults
}

module "verify_schedule" {
  source = "./modules/schedule"

  target      = { kind = "job", name = module.verify.name, arn = module.verify.arn }
  expression  = var.verify_schedule.expression
  timezone    = var.verify_schedule.timezone
  enabled     = var.verify_schedule.enabled
  keep_missed = var.keep_missed_starts
  kms_key_arn = local.kms_key_arn

  role_defaults = local.role_defaults
}

module "alerting" {
  source = "./modules/alerting"

  prefix = var.prefix
  jobs = concat([
    module.ingest.name, module.transform.name, module.load.name, module.reconcile.name, module.drift.name,
    module.compact.name, module.verify.name,
  ], module.define[*].name)
  crawlers         = [module.crawler.name]
  email            = var.alert_email
  kms_key_arn      = local.kms_key_arn
  keep_undelivered = var.keep_missed_starts
  log_groups       = { for kind, group in module.ingest.log_groups : kind => replace(group, module.ingest.name, "<job>") }

  role_defaults = local.role_defaults
}

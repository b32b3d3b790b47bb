# Drift check: a crawler discovers the schema of the ingested bucket, and a job compares it with the declarations.

module "crawler" {
  source = "./modules/crawler"

  name        = "${var.prefix}-ingested"
  settings    = jsondecode(file(var.crawl_settings))
  bucket      = module.lake.buckets.ingested
  database    = module.catalog.databases.discovered
  kms_key_arn = local.kms_key_arn

  security_configuration = local.security_configuration
  log_retention_days     = var.log_retention_days

  role_defaults = local.role_defaults
}

module "drift" {
  source = "./modules/glue_job"

  name           = "${var.prefix}-drift"
  description    = "Compares the discovered tables with the declared ones, and fails when they differ."
  script         = module.artifacts.scripts.drift
  package        = module.artifacts.package
  artifacts      = module.lake.buckets.artifacts
  python_modules = local.python_modules
  code_version   = local.code_version
  kms_key_arn    = local.kms_key_arn

  security_configuration = local.security_configuration
  log_retention_days     = var.log_retention_days
  trust_conditions       = var.job_trust_conditions
  glue_metrics           = var.glue_metrics

  arguments = { "--crawler" = module.crawler.name }

  reads = []
  drift_check = {
    discovered = module.catalog.databases.discovered
    declared   = module.catalog.databases.ingested
    crawler    = module.crawler.arn
  }

  role_defaults = local.role_defaults
}

# A crawl is billed for at least ten minutes, so it does not run after every ingest: see docs/cost.md.
module "crawl" {
  source = "./modules/workflow"

  name        = "${var.prefix}-crawl"
  description = "Crawls the ingested bucket and compares it with the declarations."
  steps = [
    { name = "crawl", crawler = module.crawler.name },
    { name = "drift", job = module.drift.name },
  ]
}

module "crawl_schedule" {
  source = "./modules/schedule"

  target      = { kind = "workflow", name = module.crawl.name, arn = module.crawl.arn }
  expression  = var.crawl_schedule.expression
  timezone    = var.crawl_schedule.timezone
  enabled     = var.crawl_schedule.enabled
  keep_missed = var.keep_missed_starts
  kms_key_arn = local.kms_key_arn

  role_defaults = local.role_defaults
}

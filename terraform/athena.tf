module "athena" {
  source = "./modules/athena"

  name          = var.prefix
  bucket        = module.lake.buckets.artifacts
  prefix        = "athena/"
  database      = module.catalog.databases.processed
  queries       = var.queries
  gib_per_query = var.athena_gib_per_query
  kms_key_arn   = local.kms_key_arn
  force_destroy = var.force_destroy
}

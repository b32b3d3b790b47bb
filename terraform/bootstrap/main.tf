# The bucket is created before the first apply, because it stores the state; it is imported here.
import {
  to = module.state.aws_s3_bucket.this
  id = "${var.prefix}-state"
}

module "state" {
  source = "../modules/state"

  name            = "${var.prefix}-state"
  lifecycle_rules = !var.local
}

module "key" {
  source = "../modules/key"
  count  = var.local ? 0 : 1

  prefix = var.prefix
}

module "boundary" {
  source = "../modules/boundary"

  prefix      = var.prefix
  kms_key_arn = one(module.key[*].arn)
}

module "quicksight_access" {
  source = "../modules/quicksight_access"
  count  = var.quicksight_role == null ? 0 : 1

  name        = var.prefix
  workgroup   = var.prefix
  database    = "totesys_processed"
  lake        = { bucket = "${var.prefix}-processed", prefix = "tables/" }
  results     = { bucket = "${var.prefix}-artifacts", prefix = "athena/" }
  kms_key_arn = one(module.key[*].arn)
  role        = var.quicksight_role
}

module "github" {
  source = "../modules/github"
  count  = var.github_repository == null ? 0 : 1

  repository        = var.github_repository
  environment       = var.environment
  prefix            = var.prefix
  state_arn         = module.state.arn
  boundary_arn      = module.boundary.arn
  kms_key_arn       = one(module.key[*].arn)
  network_resources = var.network_resources
  create_provider   = var.make_github_provider
}

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

module "github" {
  source = "../modules/github"
  count  = var.github_repository == null ? 0 : 1

  repository      = var.github_repository
  environment     = var.environment
  prefix          = var.prefix
  state_arn       = module.state.arn
  create_provider = var.make_github_provider
}

# Production, in an account of its own. What comes from the environment is what env/dev.tfvars names.
environment = "prod"
prefix      = "totelake-prod"

retention_days = 365

schedule = {
  expression = "rate(15 minutes)"
  enabled    = true
}

reconcile_schedule = {
  expression = "rate(1 hour)"
  enabled    = true
}

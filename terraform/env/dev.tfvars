# Development account: everything can be destroyed and created again.
# Secrets and account-specific values come from environment variables: TF_VAR_totesys, TF_VAR_network, TF_VAR_alert_email,
# and TF_VAR_ca_certificates, the path of the databases' CA certificates; terraform/README.md has an example of each.
environment = "dev"
prefix      = "totelake-dev"

warehouse_kind = "postgres"
postgres = {
  multi_az            = false
  backup_days         = 7
  deletion_protection = false
  final_snapshot      = false
}

retention_days       = 30
force_destroy        = true
secret_recovery_days = 0

schedule = {
  expression = "cron(0/20 * * * ? *)"
  enabled    = true
}

reconcile_schedule = {
  expression = "cron(10 0/2 * * ? *)"
  enabled    = true
}

compact_schedule = {
  expression = "cron(40 2/4 * * ? *)"
  enabled    = true
}

verify_schedule = {
  expression = "cron(0 4 * * ? *)"
  enabled    = true
}

crawl_schedule = {
  expression = "cron(0 5 * * ? *)"
  enabled    = true
}

# The first alert comes at 80 % of it, above the estimate of docs/cost.md.
budget = {
  monthly_usd = 200
}

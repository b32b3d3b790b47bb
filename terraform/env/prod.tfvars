# Production account, used by this project only, so the whole catalog is encrypted.
# Secrets and account-specific values come from environment variables: TF_VAR_totesys, TF_VAR_network, TF_VAR_alert_email,
# and TF_VAR_ca_certificates, the path of the databases' CA certificates; terraform/README.md has an example of each.
environment = "prod"
prefix      = "totelake-prod"

warehouse_kind = "postgres"
postgres = {
  instance_class      = "db.m7g.large"
  storage_gib         = 100
  multi_az            = true
  backup_days         = 35
  deletion_protection = true
  final_snapshot      = true
}

retention_days     = 365
log_retention_days = 731
encrypt_catalog    = true

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
  monthly_usd = 500
}

# QuickSight, which is billed per user, is off: after the account has subscribed to it, set TF_VAR_quicksight.

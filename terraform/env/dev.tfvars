# A development account: what is made can be destroyed and made again.
# What belongs to the account or is secret comes from the environment and is never written here: TF_VAR_totesys,
# TF_VAR_network, TF_VAR_alert_email; terraform/README.md has an example of each.
environment = "dev"
prefix      = "totelake-dev"

warehouse_kind = "postgres"
postgres = {
  multi_az            = false
  backup_days         = 7
  deletion_protection = false
}

retention_days       = 30
force_destroy        = true
secret_recovery_days = 0

# Encrypted, without looking at who answers: verify-full needs the certificate of the databases' authority on every worker.
ssl_mode = "require"

schedule = {
  expression = "rate(15 minutes)"
  enabled    = true
}

reconcile_schedule = {
  expression = "rate(1 hour)"
  enabled    = true
}

crawl_schedule = {
  enabled = true
}

# A development account. Addresses and logins of the databases come from the environment and are never written here:
# TF_VAR_totesys='{"host": …, "port": 5432, "database": …, "username": …, "password": …}', TF_VAR_warehouse likewise,
# and TF_VAR_alert_email.
environment = "dev"
prefix      = "totelake-dev"

retention_days = 30

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

# A development account. Addresses and logins of the databases come from the environment and are never written here:
# TF_VAR_totesys='{"host": …, "port": 5432, "database": …, "username": …, "password": …}', TF_VAR_warehouse likewise,
# TF_VAR_alert_email, and TF_VAR_ca_certificates, the path of the PEM file that the databases' certificates are held to.
environment = "dev"
prefix      = "totelake-dev"

retention_days = 30

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

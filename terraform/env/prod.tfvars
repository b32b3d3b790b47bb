# The production account, which is this project's alone: its catalog is encrypted as a whole.
# What belongs to the account or is secret comes from the environment and is never written here: TF_VAR_totesys,
# TF_VAR_network, TF_VAR_alert_email, and TF_VAR_ca_certificates, the path of the PEM file that the databases' certificates
# are held to; terraform/README.md has an example of each.
environment = "prod"
prefix      = "totelake-prod"

warehouse_kind = "postgres"
postgres = {
  instance_class      = "db.m7g.large"
  storage_gib         = 100
  multi_az            = true
  backup_days         = 35
  deletion_protection = true
}

retention_days     = 365
log_retention_days = 731
encrypt_catalog    = true

schedule = {
  expression = "rate(15 minutes)"
  enabled    = true
}

reconcile_schedule = {
  expression = "rate(1 hour)"
  enabled    = true
}

# No QuickSight yet, which costs for every user: TF_VAR_quicksight names its readers, once the account has subscribed to it.

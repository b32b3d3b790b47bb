# The local AWS of `totelake up`, which adds the addresses and passwords of its databases and the paths of the code.
environment = "local"
prefix      = "totelake-local"
local       = true

alert_email = "alerts@totelake.local"
ssl_mode    = "disable" # the databases listen on 127.0.0.1 only

# The lake is a folder: it has no versions to keep or to expire, and whoever owns it may delete it.
retention_days  = 0
lifecycle_rules = false
force_destroy   = true

# The provider watches a key, and a queue for 25 seconds, until every server of AWS knows it: here there is one server.
encrypt_with_own_key = false
keep_missed_starts   = false
secret_recovery_days = 0

# Not to be had there: composite alarms, and budgets with tags.
composite_alarm = false
budget          = null

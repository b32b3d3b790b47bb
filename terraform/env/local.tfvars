# Local AWS of `totelake up`, which adds addresses and passwords of the databases and the paths of the code.
environment = "local"
prefix      = "totelake-local"
local       = true

alert_email = "alerts@totelake.local"
ssl_mode    = "disable" # the databases listen on 127.0.0.1 only

# The lake is a folder, without versions to lock or to expire.
retention_days  = 0
lifecycle_rules = false
force_destroy   = true

# The provider waits for the propagation of a key, and 25 seconds for a queue, which a single local server does not need.
permissions_boundary = false # without `make bootstrap`
encrypt_with_own_key = false
keep_missed_starts   = false
secret_recovery_days = 0

composite_alarm = false # not supported locally

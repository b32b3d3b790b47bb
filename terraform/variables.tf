variable "environment" {
  description = "Name of the environment, such as local or dev."
  type        = string
}

variable "prefix" {
  description = "Prefix of every name; choose your own, because bucket names are unique across all AWS accounts."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{2,39}$", var.prefix))
    error_message = "prefix must be 3 to 40 lower-case letters, digits and hyphens and begin with a letter, because bucket names begin with it."
  }
}

variable "region" {
  description = "AWS region."
  type        = string
  default     = "eu-west-2"
}

variable "local" {
  description = "Whether the target is a local AWS endpoint, which has no real credentials and no virtual-hosted buckets."
  type        = bool
  default     = false
}

variable "scripts" {
  description = "Folder of the jobs' entry scripts: ingest.py, transform.py, load.py, reconcile.py, drift.py, compact.py, verify.py, define.py."
  type        = string
  default     = "../glue_jobs"
}

variable "package" {
  description = "Zip of the package that the scripts import."
  type        = string
  default     = "../build/totelake.zip"
}

variable "code_version" {
  description = "Version of the code, for the commit records; null for the hash of the package."
  type        = string
  default     = null
}

variable "wheels" {
  description = "Zip of the wheels of the jobs' Python modules, installed without internet access; null for none."
  type        = string
  default     = "../build/totelake.gluewheels.zip"

  validation {
    condition     = var.wheels == null ? true : endswith(var.wheels, ".gluewheels.zip") && fileexists(var.wheels)
    error_message = "There is no such file, or its name does not end in .gluewheels.zip, by which Glue recognises a zip of wheels: `python -m ops.deploy wheels` creates ../build/totelake.gluewheels.zip."
  }
}

variable "python_modules" {
  description = "Python modules that Glue installs for the jobs if there are no wheels, as name==version."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for module in var.python_modules : can(regex("^[^=]+==[^=]+$", module))])
    error_message = "Every Python module must have an exact version: name==version."
  }
}

variable "totesys" {
  description = "Source database, and the login of the role that reads it. A changed password is written only with a higher revision."
  type        = object({ host = string, port = number, database = string, username = string, password = string, revision = optional(number, 1) })
  sensitive   = true
}

variable "warehouse" {
  description = "Existing warehouse database, and the login of the role that loads it, like that of totesys; null for a warehouse created here."
  type        = object({ host = string, port = number, database = string, username = string, password = string, revision = optional(number, 1) })
  sensitive   = true
  default     = null
}

variable "ssl_mode" {
  description = "sslmode of the connections to both databases; null to omit it."
  type        = string
  default     = "verify-full"

  validation {
    condition     = var.ssl_mode == null || contains(["disable", "prefer", "require", "verify-ca", "verify-full"], coalesce(var.ssl_mode, "-"))
    error_message = "ssl_mode must be disable, prefer, require, verify-ca or verify-full."
  }
}

variable "alert_email" {
  description = "E-mail address for alerts, which has to confirm the subscription; null for none."
  type        = string
  default     = null

  validation {
    condition     = var.alert_email == null || can(regex("^[^@ ]+@[^@ ]+$", var.alert_email))
    error_message = "alert_email must be one address, such as data@example.com."
  }
}

variable "schedule" {
  description = "Schedule of the workflow: expression (cron), time zone, and whether it is enabled."
  type = object({
    expression = optional(string, "cron(0/15 * * * ? *)")
    timezone   = optional(string, "Europe/London")
    enabled    = optional(bool, false)
  })
  default = {}
}

variable "reconcile_schedule" {
  description = "Schedule of the reconcile job: expression (cron), time zone, and whether it is enabled."
  type = object({
    expression = optional(string, "cron(10 * * * ? *)")
    timezone   = optional(string, "Europe/London")
    enabled    = optional(bool, false)
  })
  default = {}
}

variable "compact_schedule" {
  description = "Schedule of the compaction job: expression (cron), time zone, and whether it is enabled."
  type = object({
    expression = optional(string, "cron(40 2/4 * * ? *)")
    timezone   = optional(string, "Europe/London")
    enabled    = optional(bool, false)
  })
  default = {}
}

variable "verify_schedule" {
  description = "Schedule of the check of the lake: expression (cron), time zone, and whether it is enabled."
  type = object({
    expression = optional(string, "cron(0 4 * * ? *)")
    timezone   = optional(string, "Europe/London")
    enabled    = optional(bool, false)
  })
  default = {}
}

variable "keep_missed_starts" {
  description = "Whether failed scheduled starts and alerts that could not be published are sent to dead-letter queues."
  type        = bool
  default     = true
}

variable "permissions_boundary" {
  description = "Whether the roles have the permissions boundary that `make bootstrap` creates."
  type        = bool
  default     = true
}

variable "encrypt_with_own_key" {
  description = "Whether the project's own KMS key encrypts buckets, secrets and alerts, instead of AWS's keys."
  type        = bool
  default     = true
}

variable "retention_days" {
  description = "Days for which Object Lock (GOVERNANCE) keeps every version in the ingested and processed buckets; 0 for none."
  type        = number
  default     = 0
}

variable "lifecycle_rules" {
  description = "Whether incomplete uploads, temporary files and replaced versions expire."
  type        = bool
  default     = true
}

variable "force_destroy" {
  description = "Whether `terraform destroy` may delete buckets that are not empty."
  type        = bool
  default     = false
}

variable "secret_recovery_days" {
  description = "Days in which a deleted secret can be restored; 0 deletes it at once."
  type        = number
  default     = 30

  validation {
    condition     = var.secret_recovery_days == 0 || (var.secret_recovery_days >= 7 && var.secret_recovery_days <= 30)
    error_message = "secret_recovery_days must be 7 to 30, or 0 to delete secrets at once."
  }
}

variable "crawl_settings" {
  description = "File with the settings of the crawler."
  type        = string
  default     = "../crawlers/ingested.json"
}

variable "crawl_schedule" {
  description = "Schedule of the crawl and the drift check: expression (cron), time zone, and whether it is enabled."
  type = object({
    expression = optional(string, "cron(0 5 * * ? *)")
    timezone   = optional(string, "Europe/London")
    enabled    = optional(bool, false)
  })
  default = {}
}

variable "ca_certificates" {
  description = "PEM file with the databases' CA certificates, for verify-full; null for none."
  type        = string
  default     = null

  validation {
    condition     = var.ssl_mode != "verify-full" || var.ca_certificates != null
    error_message = "verify-full requires CA certificates: set ca_certificates to their file, such as the global-bundle.pem that RDS publishes, or set ssl_mode to require, which encrypts without verifying the server."
  }
}

variable "warehouse_kind" {
  description = "Kind of warehouse: existing (Postgres), postgres (RDS) or redshift (Redshift Serverless)."
  type        = string
  default     = "existing"
}

variable "warehouse_reader_cidr_blocks" {
  description = "CIDR blocks that may connect to a warehouse created here, in addition to the jobs."
  type        = set(string)
  default     = []
}

variable "postgres" {
  description = "Settings of an RDS warehouse; see the module postgres for their meanings and defaults."
  type = object({
    engine_version      = optional(string)
    instance_class      = optional(string)
    storage_gib         = optional(number)
    largest_storage_gib = optional(number)
    multi_az            = optional(bool)
    backup_days         = optional(number)
    deletion_protection = optional(bool)
    final_snapshot      = optional(bool)
  })
  default = {}
}

variable "redshift" {
  description = "Settings of a Redshift warehouse; see the module redshift for their meanings and defaults."
  type = object({
    base_capacity = optional(number)
    max_capacity  = optional(number)
    monthly_limit = optional(object({ rpu_hours = number, action = string }))
  })
  default = {}
}

variable "network" {
  description = "VPC of the jobs: {} creates one, vpc_id uses an existing one; null if both databases are reached without a VPC. disable_proxy also sends the jobs' calls of S3, CloudWatch and Glue through it. See the module network for the other attributes."
  type = object({
    vpc_id               = optional(string)
    subnet_ids           = optional(list(string))
    route_table_ids      = optional(list(string))
    cidr_block           = optional(string)
    zones                = optional(list(string))
    peer                 = optional(object({ vpc_id = string, cidr_block = string, route_table_ids = set(string) }))
    database_cidr_blocks = optional(list(string))
    https_cidr_blocks    = optional(list(string))
    services             = optional(set(string))
    disable_proxy        = optional(bool, false)
  })
  default = null
}

variable "job_trust_conditions" {
  description = "Whether Glue can assume the jobs' roles for this account only (aws:SourceAccount, aws:SourceArn). AWS documents that crawlers send these keys, and not whether jobs do: false if no job can start."
  type        = bool
  default     = true
}

variable "glue_metrics" {
  description = "Whether Glue publishes its own metrics of the jobs, for an investigation; they can cost more than the runs."
  type        = bool
  default     = false
}

variable "encrypt_catalog" {
  description = "Whether the account's whole Glue catalog in this region is encrypted with the project's own key."
  type        = bool
  default     = false
}

variable "log_retention_days" {
  description = "Retention of the logs of jobs, crawlers, network and warehouse, in days."
  type        = number
  default     = 365

  validation {
    condition     = contains([30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653], var.log_retention_days)
    error_message = "log_retention_days must be a value that CloudWatch supports: 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288 or 3653."
  }
}

variable "queries" {
  description = "Folder of the named queries for Athena, one .sql file each, with one subfolder per page."
  type        = string
  default     = "../dashboards/queries"
}

variable "athena_gib_per_query" {
  description = "GiB that an Athena query may scan before it is cancelled; AWS bills per scanned byte."
  type        = number
  default     = 10

  validation {
    condition     = var.athena_gib_per_query >= 1
    error_message = "athena_gib_per_query must be at least 1."
  }
}

variable "longest_seconds" {
  description = "Alarm limit of the duration of each stage in seconds; the sum of the workflow's stages should be below its schedule interval."
  type        = map(number)
  default     = { ingest = 180, transform = 180, load = 180, reconcile = 900, compact = 1800, verify = 1800 }
}

variable "volume_band" {
  description = "Width of the anomaly detection band for rows per hour, in standard deviations; null for no volume alarm."
  type        = number
  default     = 3
}

variable "composite_alarm" {
  description = "Whether to create a composite alarm over all others."
  type        = bool
  default     = true
}

variable "budget" {
  description = "Monthly budget in US dollars, and whether only costs tagged project=totelake count; null for no budget."
  type        = object({ monthly_usd = number, own_costs_only = optional(bool, false) })
  default     = null
}

variable "quicksight" {
  description = "QuickSight dashboard on the lake: ARNs of users and groups that may view it (readers) and use its data sets (authors), and the refresh schedule of its data; null for none. `make bootstrap` with quicksight_role gives QuickSight access to the lake."
  type = object({
    readers = set(string)
    authors = optional(set(string), [])
    refresh = optional(object({
      interval        = optional(string, "DAILY")
      time_of_the_day = optional(string, "06:00")
      timezone        = optional(string, "Europe/London")
    }), {})
  })
  default = null

  validation {
    condition = var.quicksight == null ? true : length(var.quicksight.readers) > 0 && alltrue([
      for arn in setunion(var.quicksight.readers, var.quicksight.authors) : can(regex("^arn:aws[a-z-]*:quicksight:[a-z0-9-]+:[0-9]{12}:(user|group)/[^/]+/.+$", arn))
    ])
    error_message = "readers must have at least one element, and readers and authors must be QuickSight ARNs such as arn:aws:quicksight:eu-west-2:123456789012:group/default/readers."
  }

  validation {
    condition     = var.quicksight == null ? true : contains(["DAILY", "HOURLY"], var.quicksight.refresh.interval)
    error_message = "refresh.interval must be DAILY or HOURLY; HOURLY requires QuickSight's Enterprise edition."
  }

  validation {
    condition     = var.quicksight == null ? true : can(regex("^([01][0-9]|2[0-3]):[0-5][0-9]$", var.quicksight.refresh.time_of_the_day))
    error_message = "refresh.time_of_the_day must be an hour and a minute, such as 06:00."
  }
}

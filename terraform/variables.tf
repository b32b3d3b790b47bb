variable "environment" {
  description = "Which environment this is, such as local or dev."
  type        = string
}

variable "prefix" {
  description = "First part of every name; bucket names are unique among all AWS accounts, so choose one of your own."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{2,39}$", var.prefix))
    error_message = "prefix is 3 to 40 lower-case letters, digits and hyphens and begins with a letter: it begins the names of buckets."
  }
}

variable "region" {
  description = "AWS region."
  type        = string
  default     = "eu-west-2"
}

variable "local" {
  description = "Whether this is applied to a local AWS endpoint, which has no real credentials and no host name per bucket."
  type        = bool
  default     = false
}

variable "scripts" {
  description = "Folder that holds the jobs' entry scripts: ingest.py, transform.py, load.py, reconcile.py, drift.py."
  type        = string
  default     = "../glue_jobs"
}

variable "package" {
  description = "Zip of the package that the scripts import."
  type        = string
  default     = "../build/totelake.zip"
}

variable "code_version" {
  description = "Version of the code, written into every commit record; null for the hash of the package."
  type        = string
  default     = null
}

variable "wheels" {
  description = "Folder of the wheels of the jobs' Python modules, which the jobs install without internet; null for none."
  type        = string
  default     = "../build/wheels"

  validation {
    condition     = var.wheels == null ? true : length(fileset(var.wheels, "*.whl")) > 0
    error_message = "There is no wheel in that folder: `python -m ops.deploy wheels` fetches them into ../build/wheels."
  }
}

variable "python_modules" {
  description = "Python modules that Glue installs for the jobs where there are no wheels, as name==version."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for module in var.python_modules : can(regex("^[^=]+==[^=]+$", module))])
    error_message = "Every Python module has its exact version: name==version."
  }
}

variable "totesys" {
  description = "The source database, and the role that reads it."
  type        = object({ host = string, port = number, database = string, username = string, password = string })
  sensitive   = true
}

variable "warehouse" {
  description = "The warehouse database that is there already, and the role that owns it; null for a warehouse that is made here."
  type        = object({ host = string, port = number, database = string, username = string, password = string })
  sensitive   = true
  default     = null
}

variable "ssl_mode" {
  description = "sslmode of the connections to both databases; null to leave it out of their addresses."
  type        = string
  default     = "verify-full"

  validation {
    condition     = var.ssl_mode == null || contains(["disable", "prefer", "require", "verify-ca", "verify-full"], coalesce(var.ssl_mode, "-"))
    error_message = "ssl_mode is disable, prefer, require, verify-ca or verify-full."
  }
}

variable "alert_email" {
  description = "Address that gets the alerts, once it has confirmed; null for none."
  type        = string
  default     = null

  validation {
    condition     = var.alert_email == null || can(regex("^[^@ ]+@[^@ ]+$", var.alert_email))
    error_message = "alert_email is one address, such as data@example.com."
  }
}

variable "schedule" {
  description = "When the workflow runs by itself: expression (rate or cron), its time zone, and whether it fires."
  type = object({
    expression = optional(string, "rate(15 minutes)")
    timezone   = optional(string, "Europe/London")
    enabled    = optional(bool, false)
  })
  default = {}
}

variable "reconcile_schedule" {
  description = "When the warehouse is held against totesys: expression (rate or cron), its time zone, and whether it fires."
  type = object({
    expression = optional(string, "rate(1 hour)")
    timezone   = optional(string, "Europe/London")
    enabled    = optional(bool, false)
  })
  default = {}
}

variable "keep_missed_starts" {
  description = "Whether scheduled starts that failed are kept in a dead-letter queue."
  type        = bool
  default     = true
}

variable "encrypt_with_own_key" {
  description = "Whether a KMS key of the project's own encrypts buckets, secrets and alerts, instead of AWS's keys."
  type        = bool
  default     = true
}

variable "retention_days" {
  description = "Days for which Object Lock (GOVERNANCE) keeps every version in the ingested and processed buckets; 0 for none."
  type        = number
  default     = 0
}

variable "lifecycle_rules" {
  description = "Whether unfinished uploads, temporary files and replaced versions expire."
  type        = bool
  default     = true
}

variable "force_destroy" {
  description = "Whether `terraform destroy` may delete buckets that hold objects."
  type        = bool
  default     = false
}

variable "secret_recovery_days" {
  description = "Days in which a deleted secret can still be had back; 0 deletes it at once."
  type        = number
  default     = 30

  validation {
    condition     = var.secret_recovery_days == 0 || (var.secret_recovery_days >= 7 && var.secret_recovery_days <= 30)
    error_message = "Secrets Manager keeps a deleted secret for 7 to 30 days, or, with 0, not at all."
  }
}

variable "crawl_settings" {
  description = "File that says what is crawled and how."
  type        = string
  default     = "../crawlers/ingested.json"
}

variable "crawl_schedule" {
  description = "When the ingested bucket is crawled and held against the declarations: expression (rate or cron), its time zone, and whether it fires."
  type = object({
    expression = optional(string, "cron(0 5 * * ? *)")
    timezone   = optional(string, "Europe/London")
    enabled    = optional(bool, false)
  })
  default = {}
}

variable "ca_certificates" {
  description = "PEM file with the certificates of the authorities that signed the databases', for verify-full; null for none."
  type        = string
  default     = null

  validation {
    condition     = var.ssl_mode != "verify-full" || var.ca_certificates != null
    error_message = "verify-full holds the databases to certificates: name their file in ca_certificates, such as the global-bundle.pem that RDS publishes, or set ssl_mode to require, which encrypts and looks at nothing."
  }
}

variable "warehouse_kind" {
  description = "What the warehouse is: existing (a Postgres that is there), postgres (RDS) or redshift (Redshift Serverless)."
  type        = string
  default     = "existing"
}

variable "warehouse_reader_cidr_blocks" {
  description = "Addresses from which a warehouse that is made here is asked, beside the jobs."
  type        = set(string)
  default     = []
}

variable "postgres" {
  description = "Size and care of an RDS warehouse; the module postgres says what each means, and its value where it is left out."
  type = object({
    engine_version      = optional(string)
    instance_class      = optional(string)
    storage_gib         = optional(number)
    largest_storage_gib = optional(number)
    multi_az            = optional(bool)
    backup_days         = optional(number)
    deletion_protection = optional(bool)
  })
  default = {}
}

variable "redshift" {
  description = "Size and limit of a Redshift warehouse; the module redshift says what each means, and its value where it is left out."
  type = object({
    base_capacity = optional(number)
    max_capacity  = optional(number)
    monthly_limit = optional(object({ rpu_hours = number, action = string }))
  })
  default = {}
}

variable "network" {
  description = "VPC that the jobs run in: {} makes one, vpc_id takes one that is there; null where both databases are reached without one. The module network says what each means."
  type = object({
    vpc_id               = optional(string)
    subnet_ids           = optional(list(string))
    route_table_ids      = optional(list(string))
    cidr_block           = optional(string)
    zones                = optional(list(string))
    peer                 = optional(object({ vpc_id = string, cidr_block = string, route_table_ids = set(string) }))
    database_cidr_blocks = optional(list(string))
    services             = optional(set(string))
  })
  default = null
}

variable "encrypt_catalog" {
  description = "Whether the Glue catalog of the whole account, in this region, is encrypted with the project's own key."
  type        = bool
  default     = false
}

variable "log_retention_days" {
  description = "Days for which logs are kept: of jobs, crawlers, network and warehouse."
  type        = number
  default     = 365

  validation {
    condition     = contains([30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653], var.log_retention_days)
    error_message = "CloudWatch keeps logs for 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096 or more days of its own list."
  }
}

variable "queries" {
  description = "Folder of the queries that Athena keeps under their names, one .sql file each; a folder in it is a page."
  type        = string
  default     = "../dashboards/queries"
}

variable "athena_gib_per_query" {
  description = "GiB that a query of Athena may read before it is stopped; AWS bills each."
  type        = number
  default     = 10

  validation {
    condition     = var.athena_gib_per_query >= 1
    error_message = "A query may read one GiB at least."
  }
}

variable "longest_seconds" {
  description = "Seconds after which a run of each stage took too long; those of the workflow together stay below its interval."
  type        = map(number)
  default     = { ingest = 240, transform = 240, load = 240, reconcile = 900 }
}

variable "volume_band" {
  description = "Width, in standard deviations, of the band in which an hour's rows are usual; null for no alarm of volume."
  type        = number
  default     = 3
}

variable "composite_alarm" {
  description = "Whether one more alarm says that any of the others is on."
  type        = bool
  default     = true
}

variable "budget" {
  description = "US dollars that a month may cost, and whether only what is tagged project=totelake counts; null for no budget."
  type        = object({ monthly_usd = number, own_costs_only = optional(bool, false) })
  default     = { monthly_usd = 100 }
}

variable "quicksight" {
  description = "QuickSight's dashboard of the lake: ARNs of the users and groups who look at it (readers) and who may use its data (authors), the role with which QuickSight asks Athena, and when its data is imported anew; null for none."
  type = object({
    readers = set(string)
    authors = optional(set(string), [])
    role    = optional(string, "aws-quicksight-s3-consumers-role-v0")
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
    error_message = "Somebody looks at a dashboard: name one reader at least, and each as an ARN of QuickSight's such as arn:aws:quicksight:eu-west-2:123456789012:group/default/readers."
  }

  validation {
    condition     = var.quicksight == null ? true : contains(["DAILY", "HOURLY"], var.quicksight.refresh.interval)
    error_message = "refresh.interval is DAILY or HOURLY, of which the latter takes QuickSight's Enterprise edition."
  }

  validation {
    condition     = var.quicksight == null ? true : can(regex("^([01][0-9]|2[0-3]):[0-5][0-9]$", var.quicksight.refresh.time_of_the_day))
    error_message = "refresh.time_of_the_day is an hour and a minute, such as 06:00."
  }
}

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
  description = "Folder that holds the jobs' entry scripts: ingest.py, transform.py, load.py, reconcile.py."
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

# psycopg speaks to both databases, ADBC copies into the warehouse, pycountry names the currencies, tenacity waits between
# the attempts of a stage.
variable "python_modules" {
  description = "Python modules that Glue installs for the jobs, as name==version, in the versions of requirements.lock."
  type        = list(string)
  default     = ["psycopg[binary]==3.3.9", "adbc-driver-postgresql==1.13.0", "pycountry==26.2.16", "tenacity==9.2.1"]

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
  description = "The warehouse database, and the role that loads it."
  type        = object({ host = string, port = number, database = string, username = string, password = string })
  sensitive   = true
}

variable "ssl_mode" {
  description = "sslmode of the connections to both databases; null to leave it out of their addresses."
  type        = string
  default     = "verify-full"
}

variable "totesys_placement" {
  description = "Where in a VPC the ingest reaches totesys from; null when it is reached without one."
  type        = object({ availability_zone = string, subnet_id = string, security_group_ids = list(string) })
  default     = null
}

variable "warehouse_placement" {
  description = "Where in a VPC the load reaches the warehouse from; null when it is reached without one."
  type        = object({ availability_zone = string, subnet_id = string, security_group_ids = list(string) })
  default     = null
}

variable "alert_email" {
  description = "Address that gets the alerts, once it has confirmed; null for none."
  type        = string
  default     = null
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

variable "crawl" {
  description = "Whether every ingest is followed by the crawler, of which AWS bills at least ten minutes each time."
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

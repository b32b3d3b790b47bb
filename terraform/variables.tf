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
    error_message = "There is no wheel in that folder: `python -m delivery wheels` fetches them into ../build/wheels."
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

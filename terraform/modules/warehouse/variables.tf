variable "prefix" {
  description = "First part of every name."
  type        = string
}

variable "kind" {
  description = "What the warehouse is: existing (a Postgres that is there), postgres (RDS) or redshift (Redshift Serverless)."
  type        = string

  validation {
    condition     = contains(["existing", "postgres", "redshift"], var.kind)
    error_message = "The warehouse is existing, postgres or redshift."
  }

  validation {
    condition     = var.kind == "existing" || var.network != null
    error_message = "A warehouse that is made needs a network to be in: set the variable network."
  }

  validation {
    condition     = var.kind != "existing" || nonsensitive(var.login != null)
    error_message = "A warehouse that is there already needs its address and login: set the variable warehouse."
  }
}

variable "login" {
  description = "Where the existing warehouse is, and the role that owns it; null for one that is made."
  type        = object({ host = string, port = number, database = string, username = string, password = string })
  sensitive   = true
  default     = null
}

variable "certificates" {
  description = "File, in the folder of whoever connects, of the certificates that a Postgres is held to; null for none."
  type        = string
  default     = null
}

variable "ssl_mode" {
  description = "sslmode of the connection to Postgres; null to leave it out of its address."
  type        = string
  default     = "verify-full"
}

variable "network" {
  description = "Where the jobs run, and where a warehouse is made; null when the existing one is reached without a VPC."
  type = object({
    vpc_id            = string
    subnet_ids        = list(string)
    security_group_id = string
    placement         = object({ availability_zone = string, subnet_id = string, security_group_ids = list(string) })
  })
  default = null
}

variable "reader_cidr_blocks" {
  description = "Addresses from which a warehouse that is made is asked, beside the jobs."
  type        = set(string)
  default     = []
}

variable "postgres" {
  description = "Size and care of the instance; the module postgres says what each means, and its value where it is left out."
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
  description = "Size and limit of the workgroup; the module redshift says what each means, and its value where it is left out."
  type = object({
    base_capacity = optional(number)
    max_capacity  = optional(number)
    monthly_limit = optional(object({ rpu_hours = number, action = string }))
  })
  default = {}
}

variable "copies" {
  description = "Objects that Redshift's COPY may read: bucket and pattern of keys."
  type        = list(object({ bucket = string, keys = string }))
  default     = []
}

variable "kms_key_arn" {
  description = "Key that encrypts the warehouse and its secret; null for AWS's own keys."
  type        = string
  default     = null
}

variable "recovery_window_in_days" {
  description = "Days in which a deleted secret can still be had back; 0 deletes it at once."
  type        = number
  default     = 30
}

variable "log_retention_days" {
  description = "Days for which the warehouse's logs are kept."
  type        = number
  default     = 365
}

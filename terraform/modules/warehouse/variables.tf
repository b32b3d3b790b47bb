variable "prefix" {
  description = "Prefix of every name."
  type        = string
}

variable "kind" {
  description = "Kind of warehouse: existing (Postgres), postgres (RDS) or redshift (Redshift Serverless)."
  type        = string

  validation {
    condition     = contains(["existing", "postgres", "redshift"], var.kind)
    error_message = "kind must be existing, postgres or redshift."
  }

  validation {
    condition     = var.kind == "existing" || var.network != null
    error_message = "A new warehouse requires a VPC: set the variable network."
  }

  validation {
    condition     = var.kind != "existing" || nonsensitive(var.login != null)
    error_message = "An existing warehouse requires address and login: set the variable warehouse."
  }
}

variable "login" {
  description = "Address of the existing warehouse and login of the role that loads it; null for a new one."
  type        = object({ host = string, port = number, database = string, username = string, password = string })
  sensitive   = true
  default     = null
}

variable "certificates" {
  description = "CA certificate file (sslrootcert) for Postgres, in the client's working folder; null for none."
  type        = string
  default     = null
}

variable "ssl_mode" {
  description = "sslmode of the connection to Postgres; null to omit it."
  type        = string
  default     = "verify-full"
}

variable "network" {
  description = "Network of the jobs and of a new warehouse; null if an existing one is reached without a VPC."
  type = object({
    vpc_id            = string
    subnet_ids        = list(string)
    security_group_id = string
    placement         = object({ availability_zone = string, subnet_id = string, security_group_ids = list(string) })
  })
  default = null
}

variable "reader_cidr_blocks" {
  description = "CIDR blocks that may connect to a new warehouse, in addition to the jobs."
  type        = set(string)
  default     = []
}

variable "postgres" {
  description = "Settings of the RDS instance; see the module postgres for their meanings and defaults."
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
  description = "Settings of the Redshift workgroup; see the module redshift for their meanings and defaults."
  type = object({
    base_capacity = optional(number)
    max_capacity  = optional(number)
    monthly_limit = optional(object({ rpu_hours = number, action = string }))
  })
  default = {}
}

variable "copies" {
  description = "Objects that Redshift's COPY may read: bucket and key pattern."
  type        = list(object({ bucket = string, keys = string }))
  default     = []
}

variable "kms_key_arn" {
  description = "Key that encrypts the warehouse and its secret; null for AWS's own keys."
  type        = string
  default     = null
}

variable "recovery_window_in_days" {
  description = "Days in which a deleted secret can be restored; 0 deletes it at once."
  type        = number
  default     = 30
}

variable "log_retention_days" {
  description = "Retention of the warehouse's logs, in days."
  type        = number
  default     = 365
}

variable "role_defaults" {
  description = "Path and permissions boundary of every role."
  type        = object({ path = optional(string), permissions_boundary = optional(string) })
  default     = {}
}

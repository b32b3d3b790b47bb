variable "name" {
  description = "Name of namespace, workgroup and their resources."
  type        = string
}

variable "database" {
  description = "Name of the database."
  type        = string
}

variable "owner" {
  description = "Administrator and owner of the database; Redshift manages its password."
  type        = string
}

variable "loader" {
  description = "User that loads the warehouse, the only one that may use the role of COPY."
  type        = string
}

variable "vpc_id" {
  description = "VPC of the workgroup."
  type        = string
}

variable "subnet_ids" {
  description = "Private subnets; Redshift Serverless requires three, in three availability zones."
  type        = list(string)

  validation {
    condition     = length(var.subnet_ids) >= 3
    error_message = "Redshift Serverless requires three subnets in three availability zones: configure three zones for the network."
  }
}

variable "reader_cidr_blocks" {
  description = "CIDR blocks that may connect to the warehouse; the jobs use the Data API."
  type        = set(string)
  default     = []
}

variable "copies" {
  description = "Objects that COPY may read: bucket and key pattern."
  type        = list(object({ bucket = string, keys = string }))
}

variable "base_capacity" {
  description = "Base capacity in Redshift processing units, at least 8."
  type        = number
  default     = 8
  nullable    = false
}

variable "max_capacity" {
  description = "Maximum capacity in Redshift processing units."
  type        = number
  default     = 64
  nullable    = false
}

variable "monthly_limit" {
  description = "Monthly limit of RPU-hours, and the action beyond it: log, emit-metric or deactivate, which blocks all statements."
  type        = object({ rpu_hours = number, action = string })
  default     = { rpu_hours = 600, action = "emit-metric" }
  nullable    = false

  validation {
    condition     = contains(["log", "emit-metric", "deactivate"], var.monthly_limit.action)
    error_message = "monthly_limit.action must be log, emit-metric or deactivate."
  }
}

variable "kms_key_arn" {
  description = "Key that encrypts data, secret and logs; null for AWS's own keys."
  type        = string
  default     = null
}

variable "log_retention_days" {
  description = "Retention of the audit logs, in days."
  type        = number
  default     = 365
}

variable "role_defaults" {
  description = "Path and permissions boundary of every role."
  type        = object({ path = optional(string), permissions_boundary = optional(string) })
  default     = {}
}

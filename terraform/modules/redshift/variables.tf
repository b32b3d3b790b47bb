variable "name" {
  description = "Name of namespace and workgroup, and of all that belongs to them."
  type        = string
}

variable "database" {
  description = "Database that is made."
  type        = string
}

variable "owner" {
  description = "Administrator, who owns it and whose password Redshift keeps."
  type        = string
}

variable "vpc_id" {
  description = "VPC of the workgroup."
  type        = string
}

variable "subnet_ids" {
  description = "Private subnets, three of them in three availability zones, as Redshift Serverless demands."
  type        = list(string)

  validation {
    condition     = length(var.subnet_ids) >= 3
    error_message = "Redshift Serverless demands three subnets in three availability zones: give the network three zones."
  }
}

variable "reader_cidr_blocks" {
  description = "Addresses from which the warehouse is asked; the jobs use the Data API."
  type        = set(string)
  default     = []
}

variable "copies" {
  description = "Objects that COPY may read: bucket and pattern of keys."
  type        = list(object({ bucket = string, keys = string }))
}

variable "base_capacity" {
  description = "Redshift processing units that a statement starts with; 8 are the fewest."
  type        = number
  default     = 8
  nullable    = false
}

variable "max_capacity" {
  description = "Redshift processing units that the workgroup may grow to."
  type        = number
  default     = 64
  nullable    = false
}

variable "monthly_limit" {
  description = "RPU-hours of a month, and what happens beyond them: log, emit-metric or deactivate, which ends all statements."
  type        = object({ rpu_hours = number, action = string })
  default     = { rpu_hours = 400, action = "emit-metric" }
  nullable    = false

  validation {
    condition     = contains(["log", "emit-metric", "deactivate"], var.monthly_limit.action)
    error_message = "The action is log, emit-metric or deactivate."
  }
}

variable "kms_key_arn" {
  description = "Key that encrypts data, secret and logs; null for AWS's own keys."
  type        = string
  default     = null
}

variable "log_retention_days" {
  description = "Days for which the audit logs are kept."
  type        = number
  default     = 365
}

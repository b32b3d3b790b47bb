variable "name" {
  description = "Name of the instance and of its resources."
  type        = string
}

variable "database" {
  description = "Name of the database."
  type        = string
}

variable "owner" {
  description = "Role that owns the database; RDS manages its password."
  type        = string
}

variable "vpc_id" {
  description = "VPC of the instance."
  type        = string
}

variable "subnet_ids" {
  description = "Private subnets, in at least two availability zones."
  type        = list(string)
}

variable "client_security_group_id" {
  description = "Security group of the jobs."
  type        = string
}

variable "reader_cidr_blocks" {
  description = "CIDR blocks that may connect to the warehouse, in addition to the jobs."
  type        = set(string)
  default     = []
}

variable "engine_version" {
  description = "Version of Postgres; for a major version RDS uses the latest minor version."
  type        = string
  default     = "17"
  nullable    = false
}

variable "instance_class" {
  description = "Size of the instance."
  type        = string
  default     = "db.t4g.medium"
  nullable    = false
}

variable "storage_gib" {
  description = "Initial storage in GiB."
  type        = number
  default     = 20
  nullable    = false
}

variable "largest_storage_gib" {
  description = "Limit of storage autoscaling in GiB."
  type        = number
  default     = 500
  nullable    = false
}

variable "multi_az" {
  description = "Whether there is a standby instance in another availability zone."
  type        = bool
  default     = true
  nullable    = false
}

variable "backup_days" {
  description = "Retention of backups for point-in-time recovery, in days."
  type        = number
  default     = 14
  nullable    = false

  validation {
    condition     = var.backup_days >= 1 && var.backup_days <= 35
    error_message = "backup_days must be 1 to 35."
  }
}

variable "deletion_protection" {
  description = "Whether deletion is refused."
  type        = bool
  default     = true
  nullable    = false
}

variable "final_snapshot" {
  description = "Whether a final snapshot is made, and the backups are kept, when the instance is deleted."
  type        = bool
  default     = true
  nullable    = false
}

variable "kms_key_arn" {
  description = "Key that encrypts storage, secret, logs and Performance Insights; null for AWS's own keys."
  type        = string
  default     = null
}

variable "log_retention_days" {
  description = "Retention of the database's logs, in days."
  type        = number
  default     = 365
}

variable "role_defaults" {
  description = "Path and permissions boundary of every role."
  type        = object({ path = optional(string), permissions_boundary = optional(string) })
  default     = {}
}

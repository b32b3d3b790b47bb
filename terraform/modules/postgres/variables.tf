variable "name" {
  description = "Name of the instance, and of all that belongs to it."
  type        = string
}

variable "database" {
  description = "Database that is made."
  type        = string
}

variable "owner" {
  description = "Role that owns it, and that RDS keeps the password of."
  type        = string
}

variable "vpc_id" {
  description = "VPC of the instance."
  type        = string
}

variable "subnet_ids" {
  description = "Private subnets, in two availability zones or more."
  type        = list(string)
}

variable "client_security_group_id" {
  description = "Security group of the jobs."
  type        = string
}

variable "reader_cidr_blocks" {
  description = "Addresses from which the warehouse is asked, beside the jobs."
  type        = set(string)
  default     = []
}

variable "engine_version" {
  description = "Version of Postgres; RDS takes the newest minor version of a major one."
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
  description = "Storage at the start, in GiB."
  type        = number
  default     = 20
  nullable    = false
}

variable "largest_storage_gib" {
  description = "Storage that it may grow to by itself, in GiB."
  type        = number
  default     = 500
  nullable    = false
}

variable "multi_az" {
  description = "Whether a second instance stands by in another availability zone."
  type        = bool
  default     = true
  nullable    = false
}

variable "backup_days" {
  description = "Days back to which the database can be restored, to the second."
  type        = number
  default     = 14
  nullable    = false

  validation {
    condition     = var.backup_days >= 1 && var.backup_days <= 35
    error_message = "RDS keeps backups for 1 to 35 days."
  }
}

variable "deletion_protection" {
  description = "Whether the instance refuses to be deleted, and leaves a last snapshot and its backups when it is."
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
  description = "Days for which the database's logs are kept."
  type        = number
  default     = 365
}

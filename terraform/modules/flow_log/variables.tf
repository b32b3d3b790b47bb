variable "prefix" {
  description = "Prefix of every name."
  type        = string
}

variable "vpc_id" {
  description = "VPC whose traffic is logged."
  type        = string
}

variable "kms_key_arn" {
  description = "Key that encrypts the log; null for CloudWatch's own."
  type        = string
  default     = null
}

variable "log_retention_days" {
  description = "Retention of the log, in days."
  type        = number
}

variable "role_defaults" {
  description = "Path and permissions boundary of every role."
  type        = object({ path = optional(string), permissions_boundary = optional(string) })
  default     = {}
}

variable "prefix" {
  description = "First part of every name."
  type        = string
}

variable "vpc_id" {
  description = "VPC whose traffic is written down."
  type        = string
}

variable "kms_key_arn" {
  description = "Key that encrypts the log; null for CloudWatch's own."
  type        = string
  default     = null
}

variable "log_retention_days" {
  description = "Days for which the log is kept."
  type        = number
}

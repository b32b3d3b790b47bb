variable "prefix" {
  description = "Prefix of the bucket names, which are unique across all AWS accounts."
  type        = string
}

variable "kms_key_arn" {
  description = "Key that encrypts the objects; null for the key that S3 manages."
  type        = string
  default     = null
}

variable "retention_days" {
  description = "Days for which Object Lock (GOVERNANCE) keeps every version in the ingested and processed buckets; 0 for none."
  type        = number
  default     = 0

  validation {
    condition     = var.retention_days >= 0 && floor(var.retention_days) == var.retention_days
    error_message = "retention_days must be a whole number of days, or 0 for none."
  }
}

variable "create_once" {
  description = "Keys of the ingested and processed buckets that can be created but never overwritten."
  type        = list(string)
  default     = ["log/*", "checkpoints/*"]
}

variable "lifecycle_rules" {
  description = "Whether incomplete uploads, temporary files and replaced versions expire."
  type        = bool
  default     = true
}

variable "access_log_days" {
  description = "Retention of the access logs, in days."
  type        = number
  default     = 365
}

variable "force_destroy" {
  description = "Whether `terraform destroy` may delete buckets that are not empty."
  type        = bool
  default     = false
}

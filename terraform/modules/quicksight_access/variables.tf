variable "name" {
  description = "Prefix of the policy's name."
  type        = string
}

variable "workgroup" {
  description = "Athena workgroup of the queries."
  type        = string
}

variable "database" {
  description = "Catalog database of the views."
  type        = string
}

variable "lake" {
  description = "Bucket of that database and prefix of its tables."
  type        = object({ bucket = string, prefix = string })
}

variable "results" {
  description = "Bucket and prefix of the workgroup's results."
  type        = object({ bucket = string, prefix = string })
}

variable "kms_key_arn" {
  description = "Key that encrypts both buckets; null for the key that S3 manages."
  type        = string
  default     = null
}

variable "role" {
  description = "Name of the role that QuickSight uses for Athena in this account; the policy is attached to it."
  type        = string
}

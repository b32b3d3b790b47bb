variable "prefix" {
  description = "First part of the buckets' names; bucket names are unique among all AWS accounts."
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
}

variable "create_once" {
  description = "Keys of the ingested and processed buckets that can be created but never overwritten."
  type        = string
  default     = "log/*"
}

variable "lifecycle_rules" {
  description = "Whether unfinished uploads, temporary files and replaced versions expire."
  type        = bool
  default     = true
}

variable "temporary_prefix" {
  description = "Prefix of the jobs' temporary files in the artifacts bucket."
  type        = string
  default     = "temporary/"
}

variable "force_destroy" {
  description = "Whether `terraform destroy` may delete buckets that hold objects."
  type        = bool
  default     = false
}

variable "name" {
  description = "Name of the workgroup."
  type        = string
}

variable "bucket" {
  description = "Bucket that results are written to."
  type        = string
}

variable "prefix" {
  description = "Prefix of the results in the bucket."
  type        = string
}

variable "database" {
  description = "Catalog database of the queries."
  type        = string
}

variable "queries" {
  description = "Folder of the named queries, one .sql file each."
  type        = string
}

variable "gib_per_query" {
  description = "GiB that a query may scan before it is cancelled; AWS bills per scanned byte."
  type        = number
  default     = 10
}

variable "kms_key_arn" {
  description = "Key that encrypts the results; null for the key that S3 manages."
  type        = string
  default     = null
}

variable "force_destroy" {
  description = "Whether `terraform destroy` may delete a workgroup that contains queries."
  type        = bool
  default     = false
}

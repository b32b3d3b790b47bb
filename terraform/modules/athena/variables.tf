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
  description = "Catalog database that the queries ask."
  type        = string
}

variable "queries" {
  description = "Folder of the queries that are kept under their names, one .sql file each."
  type        = string
}

variable "gib_per_query" {
  description = "GiB that a query may read before it is stopped; AWS bills each."
  type        = number
  default     = 10
}

variable "kms_key_arn" {
  description = "Key that encrypts the results; null for the key that S3 manages."
  type        = string
  default     = null
}

variable "force_destroy" {
  description = "Whether `terraform destroy` may delete a workgroup that has queries of its own."
  type        = bool
  default     = false
}

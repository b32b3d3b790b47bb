variable "databases" {
  description = "Catalog databases, by zone."
  type        = map(object({ name = string, description = string }))
}

variable "tables" {
  description = "Parquet tables, by zone and name, generated from the declarations."
  type = map(map(object({
    description    = string
    columns        = list(object({ name = string, type = string, comment = string }))
    partition_keys = list(object({ name = string, type = string, comment = string }))
  })))
}

variable "views" {
  description = "Views, by zone and name, generated from the declarations; a query reads tables and views of its zone."
  type = map(map(object({
    description = string
    columns     = list(object({ name = string, type = string, comment = string, presto_type = string }))
    query       = string
  })))
  default = {}
}

variable "buckets" {
  description = "Bucket of each zone that has tables; a table is in its folder tables/<name>/."
  type        = map(string)
}

variable "encrypt" {
  description = "Whether the account's whole catalog in this region is encrypted with the key."
  type        = bool
  default     = false

  validation {
    condition     = !var.encrypt || var.kms_key_arn != null
    error_message = "Encrypting the catalog requires a key: set encrypt_with_own_key."
  }
}

variable "kms_key_arn" {
  description = "Key that encrypts the catalog; null if it is not encrypted."
  type        = string
  default     = null
}

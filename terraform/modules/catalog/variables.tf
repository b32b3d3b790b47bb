variable "databases" {
  description = "Catalog databases, by zone."
  type        = map(object({ name = string, description = string }))
}

variable "tables" {
  description = "Parquet tables, by zone and name, as the declarations generate them."
  type = map(map(object({
    description    = string
    columns        = list(object({ name = string, type = string, comment = string }))
    partition_keys = list(object({ name = string, type = string, comment = string }))
  })))
}

variable "views" {
  description = "Views, by zone and name, as the declarations generate them; a query asks the tables and views of its zone."
  type = map(map(object({
    description = string
    columns     = list(object({ name = string, type = string, comment = string, presto_type = string }))
    query       = string
  })))
  default = {}
}

variable "buckets" {
  description = "Bucket of each zone that has tables; a table lies in tables/<name>/ of it."
  type        = map(string)
}

variable "encrypt" {
  description = "Whether the catalog of the whole account, in this region, is encrypted with the key."
  type        = bool
  default     = false

  validation {
    condition     = !var.encrypt || var.kms_key_arn != null
    error_message = "An encrypted catalog needs a key: set encrypt_with_own_key."
  }
}

variable "kms_key_arn" {
  description = "Key that encrypts the catalog; null where it is not encrypted."
  type        = string
  default     = null
}

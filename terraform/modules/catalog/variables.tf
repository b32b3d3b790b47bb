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

variable "buckets" {
  description = "Bucket of each zone that has tables; a table lies in tables/<name>/ of it."
  type        = map(string)
}

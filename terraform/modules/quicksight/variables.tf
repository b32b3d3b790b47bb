variable "name" {
  description = "Name of the data source, and first part of all other names and ids."
  type        = string
}

variable "workgroup" {
  description = "Athena workgroup that asks the lake."
  type        = string
}

variable "database" {
  description = "Catalog database of the views that the queries ask."
  type        = string
}

variable "lake" {
  description = "Bucket of that database, and the prefix of its tables in it."
  type        = object({ bucket = string, prefix = string })
}

variable "results" {
  description = "Bucket that the workgroup writes results to, and their prefix in it."
  type        = object({ bucket = string, prefix = string })
}

variable "kms_key_arn" {
  description = "Key that encrypts both; null for the key that S3 manages."
  type        = string
  default     = null
}

variable "role" {
  description = "Name of the role with which QuickSight asks Athena in this account; it gets the policy that is made here."
  type        = string
}

variable "questions" {
  description = "Questions as `make generated` writes them: the page and the name of each query, and the columns that it returns."
  type = list(object({
    page    = string
    name    = string
    columns = list(object({ name = string, type = string }))
  }))
}

variable "queries" {
  description = "Folder of the queries, a folder a page."
  type        = string
}

variable "authors" {
  description = "ARNs of QuickSight's users and groups who may use source and data sets in analyses of their own."
  type        = set(string)
  default     = []
}

variable "refresh" {
  description = "When each data set is imported anew: DAILY, at a time of the day, or HOURLY."
  type        = object({ interval = string, time_of_the_day = string, timezone = string })
}

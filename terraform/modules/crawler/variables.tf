variable "name" {
  description = "Name of the crawler; its role is <name>-crawler."
  type        = string
}

variable "bucket" {
  description = "Bucket whose tables/ folder is crawled."
  type        = string
}

variable "database" {
  description = "Catalog database that takes what is found; nothing else writes to it."
  type        = string
}

variable "kms_key_arn" {
  description = "Key that encrypts the bucket; null when S3's own key does."
  type        = string
  default     = null
}

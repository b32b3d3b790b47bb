variable "name" {
  description = "Name of the crawler; its role is <name>-crawler."
  type        = string
}

variable "settings" {
  description = "What of the bucket is crawled and how: crawlers/ingested.json, where crawlers/README.md says what each word means."
  type = object({
    path             = string
    table_level      = number
    recrawl_behavior = string
    update_behavior  = string
    delete_behavior  = string
  })

  validation {
    condition = var.settings.recrawl_behavior != "CRAWL_NEW_FOLDERS_ONLY" || alltrue([
      for behavior in [var.settings.update_behavior, var.settings.delete_behavior] : behavior == "LOG"
    ])
    error_message = "With CRAWL_NEW_FOLDERS_ONLY, Glue takes LOG for both behaviours and nothing else."
  }
}

variable "bucket" {
  description = "Bucket that is crawled."
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

variable "security_configuration" {
  description = "Glue security configuration that encrypts the crawler's log; null for none."
  type        = string
  default     = null
}

variable "log_retention_days" {
  description = "Days for which the crawler's log is kept, where it has a log group of its own."
  type        = number
  default     = 365
}

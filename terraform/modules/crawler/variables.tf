variable "name" {
  description = "Name of the crawler; its role is <name>-crawler."
  type        = string
}

variable "settings" {
  description = "Crawled path and behaviour, from crawlers/ingested.json; see crawlers/README.md."
  type = object({
    path             = string
    exclusions       = optional(list(string), [])
    table_level      = number
    recrawl_behavior = string
    update_behavior  = string
    delete_behavior  = string
  })

  validation {
    condition = var.settings.recrawl_behavior != "CRAWL_NEW_FOLDERS_ONLY" || alltrue([
      for behavior in [var.settings.update_behavior, var.settings.delete_behavior] : behavior == "LOG"
    ])
    error_message = "With CRAWL_NEW_FOLDERS_ONLY, Glue requires LOG for both behaviours."
  }
}

variable "bucket" {
  description = "Bucket that is crawled."
  type        = string
}

variable "database" {
  description = "Catalog database of the discovered tables; nothing else writes to it."
  type        = string
}

variable "kms_key_arn" {
  description = "Key that encrypts the bucket; null for S3's own key."
  type        = string
  default     = null
}

variable "security_configuration" {
  description = "Glue security configuration that encrypts the crawler's log; null for none."
  type        = string
  default     = null
}

variable "log_retention_days" {
  description = "Retention of the crawler's own log group, in days."
  type        = number
  default     = 365
}

variable "role_defaults" {
  description = "Path and permissions boundary of every role."
  type        = object({ path = optional(string), permissions_boundary = optional(string) })
  default     = {}
}

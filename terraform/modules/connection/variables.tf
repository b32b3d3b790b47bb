variable "prefix" {
  description = "First part of the names of connection and secret."
  type        = string
}

variable "name" {
  description = "What is connected to, such as totesys: the connection is <prefix>-<name>, the secret <prefix>/<name>."
  type        = string
}

variable "description" {
  description = "What the database is, for whoever reads the list of connections."
  type        = string
}

variable "engine" {
  description = "Engine in the JDBC address."
  type        = string
  default     = "postgresql"

  validation {
    condition     = contains(["postgresql", "redshift"], var.engine)
    error_message = "engine is postgresql or redshift."
  }
}

variable "login" {
  description = "Where the database is, and who logs in; without user and password where `secret_arn` names a secret that has them."
  type = object({
    host     = string
    port     = number
    database = string
    username = optional(string)
    password = optional(string)
  })
  sensitive = true
}

variable "secret_arn" {
  description = "Secret with user and password that whoever made the database keeps; null where the login has them."
  type        = string
  default     = null
}

variable "ssl_mode" {
  description = "sslmode of the JDBC address, such as verify-full or disable; null to leave it out."
  type        = string
  default     = "verify-full"
}

variable "certificates" {
  description = "File, in the folder of whoever connects, of the certificates that the database's is held to; null for none."
  type        = string
  default     = null
}

variable "placement" {
  description = "Where in a VPC the jobs reach the database from; null when it is reached without one."
  type        = object({ availability_zone = string, subnet_id = string, security_group_ids = list(string) })
  default     = null
}

variable "kms_key_arn" {
  description = "Key that encrypts the secret; null for the key that Secrets Manager keeps for the account."
  type        = string
  default     = null
}

variable "recovery_window_in_days" {
  description = "Days in which a deleted secret can still be had back; 0 deletes it at once."
  type        = number
  default     = 30
}

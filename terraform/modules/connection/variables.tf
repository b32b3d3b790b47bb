variable "prefix" {
  description = "Prefix of the names of connection and secret."
  type        = string
}

variable "name" {
  description = "Name of the database, such as totesys: the connection is <prefix>-<name>, the secret <prefix>/<name>."
  type        = string
}

variable "description" {
  description = "Description of the database, shown in the list of connections."
  type        = string
}

variable "engine" {
  description = "Engine in the JDBC URL."
  type        = string
  default     = "postgresql"

  validation {
    condition     = contains(["postgresql", "redshift"], var.engine)
    error_message = "engine must be postgresql or redshift."
  }
}

variable "login" {
  description = "Address of the database and credentials; omit user and password if `secret_arn` is set."
  type = object({
    host     = string
    port     = number
    database = string
    username = optional(string)
    password = optional(string)
    revision = optional(number, 1)
  })
  sensitive = true
}

variable "secret_arn" {
  description = "Secret with user and password, managed by RDS; null if the login has them."
  type        = string
  default     = null
}

variable "ssl_mode" {
  description = "sslmode in the JDBC URL, such as verify-full or disable; null to omit it."
  type        = string
  default     = "verify-full"
}

variable "certificates" {
  description = "CA certificate file (sslrootcert), in the client's working folder; null for none."
  type        = string
  default     = null
}

variable "placement" {
  description = "Availability zone, subnet and security groups of the jobs; null if the database is reached without a VPC."
  type        = object({ availability_zone = string, subnet_id = string, security_group_ids = list(string) })
  default     = null
}

variable "kms_key_arn" {
  description = "Key that encrypts the secret; null for Secrets Manager's key."
  type        = string
  default     = null
}

variable "recovery_window_in_days" {
  description = "Days in which a deleted secret can be restored; 0 deletes it at once."
  type        = number
  default     = 30
}

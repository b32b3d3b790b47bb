variable "prefix" {
  description = "Prefix of the resources that the roles may use."
  type        = string
}

variable "kms_key_arn" {
  description = "Key of the environment; null if it has none."
  type        = string
  default     = null
}

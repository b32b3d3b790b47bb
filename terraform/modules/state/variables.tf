variable "name" {
  description = "Name of the bucket."
  type        = string
}

variable "lifecycle_rules" {
  description = "Whether old versions of the state expire."
  type        = bool
  default     = true
}

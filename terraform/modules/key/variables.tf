variable "prefix" {
  description = "Prefix of every name; the key's alias is alias/<prefix>."
  type        = string
}

variable "deletion_window_in_days" {
  description = "Days in which a deleted key can be restored."
  type        = number
  default     = 30
}

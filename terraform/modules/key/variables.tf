variable "prefix" {
  description = "First part of every name; the key's alias is alias/<prefix>."
  type        = string
}

variable "deletion_window_in_days" {
  description = "Days in which a deleted key can still be had back."
  type        = number
  default     = 30
}

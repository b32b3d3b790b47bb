variable "name" {
  description = "Name of the bucket."
  type        = string
}

variable "lifecycle_rules" {
  description = "Whether states that were replaced long ago expire."
  type        = bool
  default     = true
}

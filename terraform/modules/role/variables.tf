variable "name" {
  description = "Name of the role."
  type        = string
}

variable "description" {
  description = "Purpose of the role, one sentence."
  type        = string
}

variable "service" {
  description = "Service principal that assumes the role."
  type        = string
}

variable "source_arn" {
  description = "ARN or ARN pattern of the resources for which the service assumes the role, in this account; null for any."
  type        = string
}

variable "policy" {
  description = "IAM policy of the role, as JSON."
  type        = string
}

variable "role_defaults" {
  description = "Path and permissions boundary of every role."
  type        = object({ path = optional(string), permissions_boundary = optional(string) })
  default     = {}
}

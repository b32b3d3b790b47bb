variable "target" {
  description = "Target: kind (workflow or job), name, which is the prefix of all names here, and ARN."
  type        = object({ kind = string, name = string, arn = string })

  validation {
    condition     = contains(["workflow", "job"], var.target.kind)
    error_message = "target.kind must be workflow or job."
  }
}

variable "expression" {
  description = "Schedule expression: cron(…) of EventBridge Scheduler."
  type        = string

  validation {
    condition     = startswith(var.expression, "cron(")
    error_message = "expression must be cron(…): EventBridge Scheduler starts a rate(…) when it is created, so an apply would start the target."
  }
}

variable "timezone" {
  description = "Time zone of the expression."
  type        = string
}

variable "enabled" {
  description = "Whether the schedule is enabled."
  type        = bool
}

variable "keep_missed" {
  description = "Whether failed starts are sent to a dead-letter queue."
  type        = bool
  default     = true
}

variable "kms_key_arn" {
  description = "Key that encrypts the schedule and the queue; null for AWS's own keys."
  type        = string
  default     = null
}

variable "role_defaults" {
  description = "Path and permissions boundary of every role."
  type        = object({ path = optional(string), permissions_boundary = optional(string) })
  default     = {}
}

variable "prefix" {
  description = "First part of every name."
  type        = string
}

variable "workflow" {
  description = "The workflow that is started."
  type        = object({ name = string, arn = string })
}

variable "expression" {
  description = "When: a rate(…) or cron(…) of EventBridge Scheduler."
  type        = string
}

variable "timezone" {
  description = "Time zone in which a cron expression is read."
  type        = string
}

variable "enabled" {
  description = "Whether the schedule fires."
  type        = bool
}

variable "keep_missed" {
  description = "Whether starts that failed are kept in a dead-letter queue."
  type        = bool
  default     = true
}

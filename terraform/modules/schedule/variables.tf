variable "target" {
  description = "What is started: its kind (workflow or job), its name, which begins all names here, and its ARN."
  type        = object({ kind = string, name = string, arn = string })

  validation {
    condition     = contains(["workflow", "job"], var.target.kind)
    error_message = "A schedule starts a workflow or a job."
  }
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

variable "kms_key_arn" {
  description = "Key that encrypts the schedule and the queue; null for the keys of AWS."
  type        = string
  default     = null
}

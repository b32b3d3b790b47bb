variable "prefix" {
  description = "Prefix of every name."
  type        = string
}

variable "jobs" {
  description = "Names of the monitored jobs."
  type        = list(string)
}

variable "crawlers" {
  description = "Names of the monitored crawlers."
  type        = list(string)
}

variable "email" {
  description = "Address that receives the alerts after confirming the subscription; null for none."
  type        = string
  default     = null
}

variable "kms_key_arn" {
  description = "Key that encrypts the topic; null for no encryption at rest."
  type        = string
  default     = null
}

variable "keep_undelivered" {
  description = "Whether alerts that could not be published are sent to a dead-letter queue."
  type        = bool
  default     = true
}

variable "log_groups" {
  description = "Log groups of a run's own output and of its system logs, with <job> as a placeholder for the job's name."
  type        = object({ output = string, error = string })
  default     = { output = "/aws-glue/jobs/output", error = "/aws-glue/jobs/error" }
}

variable "role_defaults" {
  description = "Path and permissions boundary of every role."
  type        = object({ path = optional(string), permissions_boundary = optional(string) })
  default     = {}
}

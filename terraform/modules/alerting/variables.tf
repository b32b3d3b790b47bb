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
  description = "Key that encrypts the topic, which EventBridge must be allowed to use; null for no encryption at rest."
  type        = string
  default     = null
}

variable "log_group" {
  description = "Log group of a run's standard error, with <job> as a placeholder for the job's name."
  type        = string
  default     = "/aws-glue/jobs/error"
}

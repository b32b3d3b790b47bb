variable "prefix" {
  description = "First part of every name."
  type        = string
}

variable "jobs" {
  description = "Names of the jobs that are watched."
  type        = list(string)
}

variable "crawlers" {
  description = "Names of the crawlers that are watched."
  type        = list(string)
}

variable "email" {
  description = "Address that gets the alerts, once it has confirmed; null for none."
  type        = string
  default     = null
}

variable "kms_key_arn" {
  description = "Key that encrypts the topic, which EventBridge must be allowed to use; null for no encryption at rest."
  type        = string
  default     = null
}

variable "log_group" {
  description = "Log group of a run's standard error, in which <job> stands for the job's name."
  type        = string
  default     = "/aws-glue/jobs/error"
}

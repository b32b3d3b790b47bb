variable "prefix" {
  description = "First part of every name."
  type        = string
}

variable "declared" {
  description = "What the jobs publish, as metrics.json has it: the namespace, the stages, and each metric by its name."
  type = object({
    namespace = string
    stages    = list(string)
    metrics = map(object({
      unit           = string
      statistics     = list(string)
      dimension_sets = list(list(string))
      stages         = list(string)
    }))
  })
}

variable "topic_arn" {
  description = "ARN of the topic that alarms tell."
  type        = string
}

variable "missed_queues" {
  description = "Names of the queues that keep the schedules' starts that failed."
  type        = list(string)
  default     = []
}

variable "expected" {
  description = "Whether the workflow, the reconcile job and the drift check run by themselves, so that it is wrong when they do not."
  type        = object({ workflow = bool, reconcile = bool, drift = bool })
}

variable "oldest_seconds" {
  description = "Seconds by which the warehouse may be behind totesys."
  type        = number
  default     = 1800
}

variable "longest_seconds" {
  description = "Seconds that a run of each stage may take; those of the workflow together are less than its schedule's interval."
  type        = map(number)

  validation {
    condition     = length(setsubtract(["ingest", "transform", "load", "reconcile"], keys(var.longest_seconds))) == 0
    error_message = "Every stage has a limit: ingest, transform, load, reconcile."
  }
}

variable "volume_band" {
  description = "Width, in standard deviations, of the band in which an hour's rows are usual; null for no such alarm."
  type        = number
}

variable "composite" {
  description = "Whether one more alarm says that any of the others is on."
  type        = bool
}

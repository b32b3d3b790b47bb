variable "prefix" {
  description = "Prefix of every name."
  type        = string
}

variable "declared" {
  description = "Metrics of the jobs, from metrics.json: the namespace, the stages, and each metric by name."
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
  description = "ARN of the topic for alarm notifications."
  type        = string
}

variable "missed_queues" {
  description = "Names of the dead-letter queues of failed starts."
  type        = list(string)
  default     = []
}

variable "alert_rules" {
  description = "EventBridge rules that publish alerts: their names, by the names of their alarms."
  type        = map(string)
  default     = {}
}

variable "undelivered_queue" {
  description = "Name of the dead-letter queue of those rules; null without one."
  type        = string
  default     = null
}

variable "expected" {
  description = "Whether workflow, reconcile, drift check, compaction and the check of the lake are scheduled, so that missing runs raise an alarm."
  type        = object({ workflow = bool, reconcile = bool, drift = bool, compact = bool, verify = bool })
}

variable "oldest_seconds" {
  description = "Limit of the warehouse age in seconds."
  type        = number
  default     = 1800
}

variable "redshift_limit" {
  description = "Redshift's monthly limit of RPU-hours, and the dimensions of its metrics; null without Redshift."
  type        = object({ rpu_hours = number, dimensions = map(string) })
  default     = null
}

variable "longest_seconds" {
  description = "Limit of the duration of each stage in seconds; the sum of the workflow's stages should be below its schedule interval."
  type        = map(number)

  validation {
    condition     = length(setsubtract(["ingest", "transform", "load", "reconcile", "compact", "verify"], keys(var.longest_seconds))) == 0
    error_message = "longest_seconds must have a value for every stage: ingest, transform, load, reconcile, compact, verify."
  }
}

variable "most_uncompacted" {
  description = "Limit of the number of batches of a table that no compaction has merged."
  type        = number
  default     = 48
}

variable "volume_band" {
  description = "Width of the anomaly detection band for rows per hour, in standard deviations; null for no such alarm."
  type        = number
}

variable "composite" {
  description = "Whether to create a composite alarm over all others."
  type        = bool
}

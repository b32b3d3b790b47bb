variable "name" {
  description = "Name of the dashboard."
  type        = string
}

variable "declared" {
  description = "Metrics of the jobs, from metrics.json: the namespace, and each metric by name."
  type = object({
    namespace = string
    metrics   = map(object({ stages = list(string) }))
  })
}

variable "alarm_arns" {
  description = "ARNs of the alarms whose states are at the top."
  type        = list(string)
}

variable "missed_queues" {
  description = "Names of the dead-letter queues of failed starts."
  type        = list(string)
  default     = []
}

variable "oldest_seconds" {
  description = "Limit of the warehouse age in seconds, shown as a line."
  type        = number
  default     = 1800
}

variable "most_uncompacted" {
  description = "Limit of the number of batches of a table that no compaction has merged, shown as a line."
  type        = number
  default     = 48
}

variable "name" {
  description = "Name of the dashboard."
  type        = string
}

variable "declared" {
  description = "What the jobs publish, as metrics.json has it: the namespace, and each metric by its name."
  type = object({
    namespace = string
    metrics   = map(object({ stages = list(string) }))
  })
}

variable "alarm_arns" {
  description = "ARNs of the alarms whose states are shown first."
  type        = list(string)
}

variable "missed_queues" {
  description = "Names of the queues that keep the schedules' starts that failed."
  type        = list(string)
  default     = []
}

variable "oldest_seconds" {
  description = "Seconds by which the warehouse may be behind totesys: a line in its graph."
  type        = number
  default     = 1800
}

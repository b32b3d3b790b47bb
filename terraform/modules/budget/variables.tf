variable "prefix" {
  description = "First part of every name."
  type        = string
}

variable "monthly_usd" {
  description = "US dollars that a month may cost."
  type        = number
}

variable "own_costs_only" {
  description = "Whether only what carries the tag project=totelake counts; the tag has to be activated in the billing console first, or nothing does."
  type        = bool
}

variable "topic_arn" {
  description = "ARN of the topic that is told."
  type        = string
}

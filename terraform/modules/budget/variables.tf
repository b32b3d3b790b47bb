variable "prefix" {
  description = "Prefix of every name."
  type        = string
}

variable "monthly_usd" {
  description = "Monthly budget in US dollars."
  type        = number
}

variable "own_costs_only" {
  description = "Whether only costs tagged project=totelake count; the tag has to be activated as a cost allocation tag first, otherwise no costs count."
  type        = bool
}

variable "topic_arn" {
  description = "ARN of the topic that is notified."
  type        = string
}

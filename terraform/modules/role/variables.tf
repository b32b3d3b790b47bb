variable "name" {
  description = "Name of the role."
  type        = string
}

variable "description" {
  description = "Who has the role and what for, in a sentence."
  type        = string
}

variable "service" {
  description = "Principal of the service of AWS that takes the role."
  type        = string
}

variable "source_arn" {
  description = "ARN, or pattern of ARNs, of what the service takes the role for; always in this account."
  type        = string
}

variable "policy" {
  description = "What the role may do: a policy of IAM's, as JSON."
  type        = string
}

variable "environment" {
  description = "Which environment this is, such as dev."
  type        = string
}

variable "prefix" {
  description = "First part of every name of the environment; the bucket of its state is <prefix>-state."
  type        = string
}

variable "region" {
  description = "AWS region of the environment and of its state."
  type        = string
}

variable "local" {
  description = "Whether this is applied to a local AWS endpoint."
  type        = bool
  default     = false
}

variable "github_repository" {
  description = "GitHub repository whose workflows plan and deploy the environment, as owner/name; null for none."
  type        = string
  default     = null
}

variable "make_github_provider" {
  description = "Whether to make GitHub's identity provider, of which an account has one; false where it is there already."
  type        = bool
  default     = true
}

variable "environment" {
  description = "Name of the environment, such as dev."
  type        = string
}

variable "prefix" {
  description = "Prefix of every name of the environment; its state bucket is <prefix>-state."
  type        = string
}

variable "region" {
  description = "AWS region of the environment and of its state."
  type        = string
}

variable "local" {
  description = "Whether the target is a local AWS endpoint."
  type        = bool
  default     = false
}

variable "github_repository" {
  description = "GitHub repository whose workflows plan and deploy the environment, as owner/name; null for none."
  type        = string
  default     = null
}

variable "make_github_provider" {
  description = "Whether to create GitHub's OIDC provider, of which an account has one; false if it exists already."
  type        = bool
  default     = true
}

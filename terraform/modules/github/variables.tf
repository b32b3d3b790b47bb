variable "repository" {
  description = "GitHub repository whose workflows deploy, as owner/name."
  type        = string

  validation {
    condition     = can(regex("^[A-Za-z0-9-]+/[A-Za-z0-9._-]+$", var.repository))
    error_message = "repository must be owner/name without wildcards, which would admit other repositories."
  }
}

variable "environment" {
  description = "GitHub environment that may deploy; <environment>-plan may plan."
  type        = string
}

variable "prefix" {
  description = "Prefix of the names of all resources that may be created, changed and deleted."
  type        = string
}

variable "state_arn" {
  description = "ARN of the bucket of Terraform's state."
  type        = string
}

variable "create_provider" {
  description = "Whether to create GitHub's OIDC provider, of which an account has one; false if it exists already."
  type        = bool
  default     = true
}

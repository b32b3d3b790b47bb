variable "repository" {
  description = "GitHub repository whose workflows deliver, as owner/name."
  type        = string

  validation {
    condition     = can(regex("^[A-Za-z0-9-]+/[A-Za-z0-9._-]+$", var.repository))
    error_message = "repository is owner/name; no pattern, which would let other repositories in."
  }
}

variable "environment" {
  description = "Environment of the repository that may deploy; <environment>-plan may plan."
  type        = string
}

variable "prefix" {
  description = "First part of the names of all that may be made, changed and removed."
  type        = string
}

variable "state_arn" {
  description = "ARN of the bucket of Terraform's state."
  type        = string
}

variable "make_provider" {
  description = "Whether to make GitHub's identity provider, of which an account has one; false where it is there already."
  type        = bool
  default     = true
}

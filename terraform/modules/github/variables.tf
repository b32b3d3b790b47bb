variable "repository" {
  description = "GitHub repository whose workflows deploy, as owner/name or owner@id/name@id."
  type        = string

  validation {
    condition     = can(regex("^[A-Za-z0-9-]+(@[0-9]+)?/[A-Za-z0-9._-]+(@[0-9]+)?$", var.repository))
    error_message = "repository must be owner/name or owner@id/name@id without wildcards, which would admit other repositories."
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

variable "boundary_arn" {
  description = "ARN of the permissions boundary of every role that a deployment creates."
  type        = string
}

variable "kms_key_arn" {
  description = "Key that encrypts the environment; null if it has none."
  type        = string
  default     = null
}

variable "network_resources" {
  description = "Resources of existing networks that a deployment may use, such as vpc/vpc-0123456789abcdef0: VPCs, subnets and route tables."
  type        = set(string)
  default     = []

  validation {
    condition     = alltrue([for name in var.network_resources : can(regex("^(vpc/vpc|subnet/subnet|route-table/rtb)-[0-9a-f]+$", name))])
    error_message = "network_resources are VPCs, subnets and route tables, such as vpc/vpc-0123456789abcdef0."
  }
}

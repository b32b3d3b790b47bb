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
  description = "GitHub repository whose workflows plan and deploy the environment, as owner/name or, with the ids of newer repositories, owner@id/name@id; null for none."
  type        = string
  default     = null
}

variable "make_github_provider" {
  description = "Whether to create GitHub's OIDC provider, of which an account has one; false if it exists already."
  type        = bool
  default     = true
}

variable "network_resources" {
  description = "Existing network that the workflows may use: VPCs, subnets and route tables of TF_VAR_network and of its peer, such as vpc/vpc-0123456789abcdef0."
  type        = set(string)
  default     = []
}

variable "quicksight_role" {
  description = "Role that QuickSight uses for Athena, which gets access to the lake: aws-quicksight-s3-consumers-role-v0, or aws-quicksight-service-role-v0 if the account does not have it; null without QuickSight."
  type        = string
  default     = null
}

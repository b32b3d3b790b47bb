variable "prefix" {
  description = "Prefix of every name."
  type        = string
}

variable "vpc_id" {
  description = "Existing VPC for the jobs; null to create one."
  type        = string
  default     = null
}

variable "subnet_ids" {
  description = "Private subnets of the existing VPC, in at least two availability zones; the jobs run in the first."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = (var.vpc_id == null) == (length(var.subnet_ids) == 0)
    error_message = "Set subnet_ids if and only if vpc_id is set: a new VPC gets its own subnets."
  }
}

variable "route_table_ids" {
  description = "Route tables of those subnets that get a new S3 gateway endpoint and its route; empty to change none, if their subnets reach S3."
  type        = list(string)
  default     = []
  nullable    = false
}

variable "cidr_block" {
  description = "CIDR block of the new VPC; each subnet gets a quarter of it."
  type        = string
  default     = "10.64.0.0/20"
  nullable    = false

  validation {
    condition     = can(cidrsubnet(var.cidr_block, 2, 3))
    error_message = "cidr_block must be a CIDR block that can be divided into four subnets, such as 10.64.0.0/20."
  }
}

variable "zones" {
  description = "Letters of the availability zones of the new VPC's subnets; Redshift Serverless requires three."
  type        = list(string)
  default     = ["a", "b", "c"]
  nullable    = false

  validation {
    condition     = length(distinct(var.zones)) == length(var.zones) && contains([2, 3, 4], length(var.zones))
    error_message = "zones must be two to four distinct letters, such as a, b and c."
  }
}

variable "peer" {
  description = "VPC of totesys, in the same account, to peer with the new VPC; null for none."
  type        = object({ vpc_id = string, cidr_block = string, route_table_ids = set(string) })
  default     = null

  validation {
    condition     = var.peer == null || var.vpc_id == null
    error_message = "peer requires a new VPC: an existing one manages its own routes."
  }
}

variable "database_cidr_blocks" {
  description = "CIDR blocks of databases outside the VPC and its peer, such as a network behind a transit gateway."
  type        = list(string)
  default     = []
  nullable    = false
}

variable "database_ports" {
  description = "Ports of the databases."
  type        = list(number)
}

variable "https_cidr_blocks" {
  description = "CIDR blocks outside the VPC that the jobs may reach on port 443, such as 0.0.0.0/0 behind a NAT gateway."
  type        = list(string)
  default     = []
  nullable    = false
}

variable "services" {
  description = "AWS services that get an interface endpoint in the jobs' subnet, such as secretsmanager; its DNS names apply to the whole VPC."
  type        = set(string)
}

variable "kms_key_arn" {
  description = "Key that encrypts the flow log; null for CloudWatch's own."
  type        = string
  default     = null
}

variable "log_retention_days" {
  description = "Retention of the flow log, in days."
  type        = number
  default     = 365
}

variable "role_defaults" {
  description = "Path and permissions boundary of every role."
  type        = object({ path = optional(string), permissions_boundary = optional(string) })
  default     = {}
}

variable "prefix" {
  description = "First part of every name."
  type        = string
}

variable "vpc_id" {
  description = "VPC that is there already and that the jobs run in; null to make one."
  type        = string
  default     = null
}

variable "subnet_ids" {
  description = "Private subnets of the VPC that is there already, in two availability zones or more; the jobs run in the first."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = (var.vpc_id == null) == (length(var.subnet_ids) == 0)
    error_message = "subnet_ids go with vpc_id: a VPC that is there already has subnets, and one that is made gets its own."
  }
}

variable "route_table_ids" {
  description = "Route tables of those subnets that get a gateway endpoint to S3; none where they have one."
  type        = list(string)
  default     = []
  nullable    = false
}

variable "cidr_block" {
  description = "Addresses of the VPC that is made; each of its subnets gets a quarter of them."
  type        = string
  default     = "10.64.0.0/20"
  nullable    = false

  validation {
    condition     = can(cidrsubnet(var.cidr_block, 2, 3))
    error_message = "cidr_block is a block of addresses that can be divided by four, such as 10.64.0.0/20."
  }
}

variable "zones" {
  description = "Letters of the region's availability zones that the VPC that is made has subnets in; Redshift Serverless wants three."
  type        = list(string)
  default     = ["a", "b", "c"]
  nullable    = false

  validation {
    condition     = length(distinct(var.zones)) == length(var.zones) && contains([2, 3, 4], length(var.zones))
    error_message = "zones are two to four letters, such as a, b and c, each of them once."
  }
}

variable "peer" {
  description = "VPC of this account in which totesys is, and which the VPC that is made is joined to; null for none."
  type        = object({ vpc_id = string, cidr_block = string, route_table_ids = set(string) })
  default     = null

  validation {
    condition     = var.peer == null || var.vpc_id == null
    error_message = "peer is for a VPC that is made here: one that is there already has its owner's own routes."
  }
}

variable "database_cidr_blocks" {
  description = "Where databases are beside the VPC itself and its peer, such as a network behind a transit gateway."
  type        = list(string)
  default     = []
  nullable    = false
}

variable "database_ports" {
  description = "Ports at which the jobs reach databases."
  type        = list(number)
}

variable "services" {
  description = "AWS services that get an interface endpoint, such as glue; none where the VPC has them."
  type        = set(string)
}

variable "kms_key_arn" {
  description = "Key that encrypts the flow log; null for CloudWatch's own."
  type        = string
  default     = null
}

variable "log_retention_days" {
  description = "Days for which the flow log is kept."
  type        = number
  default     = 365
}

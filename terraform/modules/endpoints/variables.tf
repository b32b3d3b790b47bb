variable "prefix" {
  description = "Prefix of every name."
  type        = string
}

variable "vpc_id" {
  description = "VPC of the endpoints."
  type        = string
}

variable "subnet_id" {
  description = "Subnet of the interface endpoints."
  type        = string
}

variable "gateway" {
  description = "Whether the VPC gets a gateway endpoint to S3."
  type        = bool
}

variable "route_table_ids" {
  description = "Route tables with a route to the S3 gateway endpoint."
  type        = list(string)
}

variable "services" {
  description = "AWS services that get an interface endpoint, such as glue."
  type        = set(string)
}

variable "client_security_group_id" {
  description = "Security group of the jobs, which may connect to the endpoints."
  type        = string
}

variable "shared_cidr_blocks" {
  description = "CIDR blocks of a VPC with other workloads, which may use the endpoints too; null if only the jobs use the VPC."
  type        = list(string)
  default     = null
}

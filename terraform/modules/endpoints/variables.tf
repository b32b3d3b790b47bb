variable "prefix" {
  description = "First part of every name."
  type        = string
}

variable "vpc_id" {
  description = "VPC that gets the endpoints."
  type        = string
}

variable "subnet_ids" {
  description = "Subnets in which the interface endpoints have an address each."
  type        = list(string)
}

variable "gateway" {
  description = "Whether the VPC gets a gateway endpoint to S3."
  type        = bool
}

variable "route_table_ids" {
  description = "Route tables that lead to S3 by the gateway endpoint."
  type        = list(string)
}

variable "services" {
  description = "AWS services that get an interface endpoint, such as glue."
  type        = set(string)
}

variable "client_security_group_id" {
  description = "Security group of the jobs, which may ask the endpoints."
  type        = string
}

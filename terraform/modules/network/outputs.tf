output "vpc_id" {
  description = "VPC that the jobs run in."
  value       = local.vpc_id
}

output "subnet_ids" {
  description = "Its private subnets."
  value       = local.subnet_ids
}

output "security_group_id" {
  description = "Security group of the jobs."
  value       = aws_security_group.jobs.id
}

# Where a job is put, it needs its endpoints and rules from the first second on.
output "placement" {
  description = "Where a Glue connection puts a job: availability zone, subnet and security groups."
  value = {
    availability_zone  = local.new ? values(aws_subnet.this)[0].availability_zone : data.aws_subnet.existing[0].availability_zone
    subnet_id          = local.subnet_ids[0]
    security_group_ids = [aws_security_group.jobs.id]
  }

  depends_on = [
    module.endpoints,
    aws_route.to_peer,
    aws_route.from_peer,
    aws_route_table_association.this,
    aws_vpc_security_group_egress_rule.aws,
    aws_vpc_security_group_egress_rule.databases,
    aws_vpc_security_group_egress_rule.s3,
    aws_vpc_security_group_egress_rule.workers,
    aws_vpc_security_group_ingress_rule.workers,
  ]
}

output "services" {
  description = "Services that are reached by an interface endpoint."
  value       = module.endpoints.services
}

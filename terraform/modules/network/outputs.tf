output "vpc_id" {
  description = "VPC of the jobs."
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

# After the endpoints and rules, which a job needs from its start.
output "placement" {
  description = "Availability zone, subnet and security groups for a Glue connection."
  value = {
    availability_zone  = local.is_new ? values(aws_subnet.this)[0].availability_zone : data.aws_subnet.existing[0].availability_zone
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
    aws_vpc_security_group_egress_rule.https,
    aws_vpc_security_group_egress_rule.s3,
    aws_vpc_security_group_egress_rule.workers,
    aws_vpc_security_group_ingress_rule.workers,
  ]
}

output "services" {
  description = "Services with an interface endpoint."
  value       = module.endpoints.services
}

output "services" {
  description = "Services with an interface endpoint."
  value       = sort([for service, endpoint in aws_vpc_endpoint.interface : service])
}

output "services" {
  description = "Services that are reached by an interface endpoint."
  value       = sort([for service, endpoint in aws_vpc_endpoint.interface : service])
}

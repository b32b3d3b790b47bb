output "host" {
  description = "Host name of the database."
  value       = aws_db_instance.this.address
}

output "port" {
  description = "Port of the database."
  value       = local.port
}

output "database" {
  description = "Name of the database."
  value       = aws_db_instance.this.db_name
}

output "secret_arn" {
  description = "ARN of the secret with the owner's user and password, managed by RDS."
  value       = one(aws_db_instance.this.master_user_secret[*].secret_arn)
}

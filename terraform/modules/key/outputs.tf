output "arn" {
  description = "ARN of the key."
  value       = aws_kms_key.this.arn
}

output "security_configuration" {
  description = "Name of the Glue security configuration that encrypts with the key."
  value       = aws_glue_security_configuration.this.name
}

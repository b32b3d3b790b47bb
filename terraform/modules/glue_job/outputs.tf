output "name" {
  description = "Name of the job."
  value       = aws_glue_job.this.name
}

output "arn" {
  description = "ARN of the job."
  value       = aws_glue_job.this.arn
}

output "role" {
  description = "Name of the job's role, for what is granted elsewhere."
  value       = module.role.name
}

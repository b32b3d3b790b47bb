output "name" {
  description = "Name of the job."
  value       = aws_glue_job.this.name
}

output "arn" {
  description = "ARN of the job."
  value       = aws_glue_job.this.arn
}

output "role" {
  description = "Name of the job's role, for permissions granted elsewhere."
  value       = module.role.name
}

output "log_groups" {
  description = "Names of the log groups of a run's standard error and standard output."
  value       = { for kind in ["error", "output"] : kind => "${local.log_root}/${kind}" }
}

output "arguments" {
  description = "Default arguments of a run."
  value       = aws_glue_job.this.default_arguments
}

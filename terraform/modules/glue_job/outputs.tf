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

output "trust" {
  description = "Trust policy of the job's role, as JSON."
  value       = module.role.trust
}

output "log_groups" {
  description = "Names of the log groups of a run: output for its standard output and standard error, error for system logs."
  value       = { for kind in ["error", "output"] : kind => "${local.log_root}/${kind}" }
}

output "arguments" {
  description = "Default arguments of a run."
  value       = aws_glue_job.this.default_arguments
}

output "workgroup" {
  description = "Name and ARN of the workgroup."
  value       = { name = aws_redshiftserverless_workgroup.this.workgroup_name, arn = aws_redshiftserverless_workgroup.this.arn }
}

output "database" {
  description = "Name of the database."
  value       = aws_redshiftserverless_namespace.this.db_name
}

output "secret_arn" {
  description = "ARN of the secret with the administrator's user and password, managed by Redshift."
  value       = aws_redshiftserverless_namespace.this.admin_password_secret_arn
}

output "copy_role_arn" {
  description = "ARN of the role that COPY uses."
  value       = aws_iam_role.copy.arn

  depends_on = [aws_iam_role_policy.copy]
}

output "usage_limit" {
  description = "The monthly limit of RPU-hours, and the dimensions of its metrics."
  value = {
    rpu_hours = var.monthly_limit.rpu_hours
    dimensions = {
      UsageLimitId = aws_redshiftserverless_usage_limit.this.id
      UsageType    = "SERVERLESS_COMPUTE"
      Workgroup    = aws_redshiftserverless_workgroup.this.workgroup_name
    }
  }
}

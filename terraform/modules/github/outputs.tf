output "roles" {
  description = "ARNs of the roles deploy and plan, for the variable AWS_ROLE of the GitHub environments."
  value       = { for name, role in aws_iam_role.this : name => role.arn }
}

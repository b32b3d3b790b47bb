output "roles" {
  description = "ARNs of the roles deploy and plan, for the variables AWS_ROLE of the repository's environments."
  value       = { for name, role in aws_iam_role.this : name => role.arn }
}

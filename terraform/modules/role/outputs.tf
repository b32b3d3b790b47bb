output "arn" {
  description = "ARN of the role, once it may do what it should."
  value       = aws_iam_role.this.arn

  depends_on = [aws_iam_role_policy.this]
}

output "policy" {
  description = "What the role may do, as JSON."
  value       = aws_iam_role_policy.this.policy
}

output "trust" {
  description = "Who may take the role, as JSON."
  value       = aws_iam_role.this.assume_role_policy
}

output "name" {
  description = "Name of the role."
  value       = aws_iam_role.this.name
}

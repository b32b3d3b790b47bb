output "arn" {
  description = "ARN of the role, after its policy is attached."
  value       = aws_iam_role.this.arn

  depends_on = [aws_iam_role_policy.this]
}

output "policy" {
  description = "Policy of the role, as JSON."
  value       = aws_iam_role_policy.this.policy
}

output "trust" {
  description = "Trust policy of the role, as JSON."
  value       = aws_iam_role.this.assume_role_policy
}

output "name" {
  description = "Name of the role."
  value       = aws_iam_role.this.name
}

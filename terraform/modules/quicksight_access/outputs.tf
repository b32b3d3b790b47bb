output "policy" {
  description = "The policy of the role, as JSON."
  value       = aws_iam_policy.this.policy
}

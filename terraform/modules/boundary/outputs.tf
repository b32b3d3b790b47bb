output "arn" {
  description = "ARN of the permissions boundary."
  value       = aws_iam_policy.this.arn
}

output "log_group" {
  description = "Name of the log group that has one line for each flow."
  value       = aws_cloudwatch_log_group.this.name
}

output "topic_arn" {
  description = "ARN of the topic for alerts."
  value       = aws_sns_topic.this.arn
}

output "rule" {
  description = "Name of the rule that forwards job state changes as alerts."
  value       = aws_cloudwatch_event_rule.job_failed.name
}

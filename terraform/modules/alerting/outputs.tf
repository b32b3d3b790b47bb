output "topic_arn" {
  description = "ARN of the topic that alerts go to."
  value       = aws_sns_topic.this.arn
}

output "rule" {
  description = "Name of the rule that turns job states into alerts."
  value       = aws_cloudwatch_event_rule.job_failed.name
}

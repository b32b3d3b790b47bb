output "topic_arn" {
  description = "ARN of the topic for alerts."
  value       = aws_sns_topic.this.arn
}

output "rules" {
  description = "Names of the rules that publish alerts, by job-failed and crawler-failed."
  value       = { for key, rule in local.rules : key => rule.name }
}

output "undelivered_queue" {
  description = "Name of the dead-letter queue of alerts that could not be published; null without one."
  value       = one(aws_sqs_queue.undelivered[*].name)
}

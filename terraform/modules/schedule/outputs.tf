output "name" {
  description = "Name of the schedule."
  value       = aws_scheduler_schedule.this.name
}

output "missed_queue" {
  description = "Name of the dead-letter queue of failed starts; null without one."
  value       = one(aws_sqs_queue.missed[*].name)
}

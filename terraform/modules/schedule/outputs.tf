output "name" {
  description = "Name of the schedule."
  value       = aws_scheduler_schedule.this.name
}

output "missed_queue" {
  description = "Name of the queue that keeps starts that failed; null without one."
  value       = one(aws_sqs_queue.missed[*].name)
}

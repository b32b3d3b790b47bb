output "name" {
  description = "Name of the crawler."
  value       = aws_glue_crawler.this.name
}

output "arn" {
  description = "ARN of the crawler."
  value       = aws_glue_crawler.this.arn
}

output "log_group" {
  description = "Name of the log group that the crawler writes to."
  value       = local.log_group
}

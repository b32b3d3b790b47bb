output "name" {
  description = "Name of the workflow, once all its triggers are there."
  value       = aws_glue_workflow.this.name

  depends_on = [
    aws_glue_trigger.start, aws_glue_trigger.transform, aws_glue_trigger.load, aws_glue_trigger.crawl,
  ]
}

output "arn" {
  description = "ARN of the workflow."
  value       = aws_glue_workflow.this.arn
}

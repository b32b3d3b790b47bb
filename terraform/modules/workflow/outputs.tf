output "name" {
  description = "Name of the workflow, after its triggers are created."
  value       = aws_glue_workflow.this.name

  depends_on = [aws_glue_trigger.first, aws_glue_trigger.second, aws_glue_trigger.third]
}

output "arn" {
  description = "ARN of the workflow."
  value       = aws_glue_workflow.this.arn
}

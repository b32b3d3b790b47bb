output "id" {
  description = "Id of the dashboard."
  value       = aws_quicksight_dashboard.this.dashboard_id
}

output "visuals" {
  description = "Ids of the visuals: <page>_<name> of each question."
  value       = local.visuals[*].id
}

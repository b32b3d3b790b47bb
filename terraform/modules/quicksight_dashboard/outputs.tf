output "id" {
  description = "Id of the dashboard."
  value       = aws_quicksight_dashboard.this.dashboard_id
}

output "visuals" {
  description = "Ids of the visuals, each of which is that of its question: <page>_<name>."
  value       = local.shown[*].id
}

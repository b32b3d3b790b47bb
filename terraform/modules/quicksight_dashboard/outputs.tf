output "id" {
  description = "Id of the dashboard."
  value       = aws_quicksight_dashboard.this.dashboard_id
}

output "arguments" {
  description = "Arguments that tell a job where the warehouse is: its connection, or Redshift's workgroup, database, secret and role."
  value       = local.arguments
}

output "connections" {
  description = "Grants of the connections that a job of the warehouse uses: one to Postgres, none to Redshift."
  value       = module.connection[*].grant
}

output "statements" {
  description = "What a job of the warehouse must be allowed beyond a connection: Redshift's Data API and secret."
  value       = local.statements
}

output "arguments" {
  description = "Job arguments for the warehouse: the connection, or Redshift's workgroup, database, secret and role."
  value       = local.arguments
}

output "connections" {
  description = "Grants of the connections to the warehouse: one for Postgres, none for Redshift."
  value       = module.connection[*].grant
}

output "statements" {
  description = "Additional policy statements of a job that uses the warehouse: Redshift's Data API and secret."
  value       = local.redshift_statements["loader"]
}

output "definition" {
  description = "Arguments, connections and policy statements of the job that defines the warehouse as its owner; null for an existing one, whose owner does."
  value       = one([for definition in [local.definition] : definition if var.kind != "existing"])
}

output "usage_limit" {
  description = "Redshift's monthly limit of RPU-hours, and the dimensions of its metrics; null for Postgres."
  value       = one(module.redshift[*].usage_limit)
}

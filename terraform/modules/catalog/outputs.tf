output "databases" {
  description = "Names of the databases, by zone."
  value       = { for zone, database in aws_glue_catalog_database.this : zone => database.name }

  # After the views: a reader of this output can query them.
  depends_on = [aws_glue_catalog_table.view]
}

output "tables" {
  description = "Names of the tables, by zone."
  value = {
    for zone in keys(var.tables) : zone => sort([
      for table in aws_glue_catalog_table.this : table.name if table.database_name == var.databases[zone].name
    ])
  }
}

output "views" {
  description = "Names of the views, by zone."
  value = {
    for zone in keys(var.views) : zone => sort([
      for view in aws_glue_catalog_table.view : view.name if view.database_name == var.databases[zone].name
    ])
  }
}

output "encrypted" {
  description = "Whether the account's catalog is encrypted with the key."
  value       = length(aws_glue_data_catalog_encryption_settings.this) > 0
}

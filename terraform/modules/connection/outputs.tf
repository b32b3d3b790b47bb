output "name" {
  description = "Name of the Glue connection."
  value       = aws_glue_connection.this.name
}

output "grant" {
  description = "Connection, secret and VPC placement, for the permissions of a job that uses it."
  value = {
    name       = aws_glue_connection.this.name
    arn        = aws_glue_connection.this.arn
    secret_arn = local.secret_arn
    placement  = var.placement
  }

  depends_on = [aws_secretsmanager_secret_version.this]
}

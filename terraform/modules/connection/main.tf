locals {
  address = "${nonsensitive(var.login.host)}:${nonsensitive(var.login.port)}/${nonsensitive(var.login.database)}"
  options = { sslmode = var.ssl_mode, sslrootcert = var.certificates }
  query   = join("&", [for name, value in local.options : "${name}=${value}" if value != null])

  # A secret is created for a given password; otherwise RDS manages the password in its own secret.
  has_password = nonsensitive(var.login.password != null)
  secret_arn   = local.has_password ? aws_secretsmanager_secret.this[0].arn : var.secret_arn
}

resource "aws_secretsmanager_secret" "this" {
  #checkov:skip=CKV2_AWS_57: The password belongs to an external database, whose owner rotates it; RDS manages and rotates the password of a warehouse created here.
  count = local.has_password ? 1 : 0

  name                    = "${var.prefix}/${var.name}"
  description             = "User and password for ${var.name}."
  kms_key_id              = var.kms_key_arn
  recovery_window_in_days = var.recovery_window_in_days
}

# Write-only: the password is not in the state, and in a plan only as the value of a variable.
resource "aws_secretsmanager_secret_version" "this" {
  count = local.has_password ? 1 : 0

  secret_id        = aws_secretsmanager_secret.this[0].id
  secret_string_wo = jsonencode({ username = var.login.username, password = var.login.password })
  # Terraform writes the secret again when this number changes. It does not depend on the password: a hash of it in the
  # state would let a reader of the state test guesses.
  secret_string_wo_version = nonsensitive(var.login.revision)
}

resource "aws_glue_connection" "this" {
  name            = "${var.prefix}-${var.name}"
  description     = var.description
  connection_type = "JDBC"

  connection_properties = {
    JDBC_CONNECTION_URL = "jdbc:${var.engine}://${local.address}${local.query == "" ? "" : "?${local.query}"}"
    SECRET_ID           = local.has_password ? aws_secretsmanager_secret.this[0].name : var.secret_arn
  }

  dynamic "physical_connection_requirements" {
    for_each = var.placement == null ? [] : [var.placement]

    content {
      availability_zone      = physical_connection_requirements.value.availability_zone
      subnet_id              = physical_connection_requirements.value.subnet_id
      security_group_id_list = physical_connection_requirements.value.security_group_ids
    }
  }
}

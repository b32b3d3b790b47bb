mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  prefix      = "totelake-test"
  name        = "totesys"
  description = "The source."
  login       = { host = "db.example.com", port = 5432, database = "totesys", username = "reader", password = "secret" }
}

run "connection_refers_to_the_secret_without_a_password" {
  module {
    source = "./modules/connection"
  }

  assert {
    condition = nonsensitive(aws_glue_connection.this.connection_properties) == tomap({
      JDBC_CONNECTION_URL = "jdbc:postgresql://db.example.com:5432/totesys?sslmode=verify-full"
      SECRET_ID           = "totelake-test/totesys"
    })
    error_message = "The connection has a URL that verifies the server, and the name of a secret."
  }

  assert {
    condition     = aws_secretsmanager_secret_version.this[0].secret_string == null
    error_message = "The password is write-only and not in the state."
  }

  assert {
    condition     = length(aws_glue_connection.this.physical_connection_requirements) == 0
    error_message = "Without a placement the connection has no VPC requirements."
  }
}

run "managed_secret_vpc_and_engine" {
  module {
    source = "./modules/connection"
  }

  variables {
    login      = { host = "db.example.com", port = 5432, database = "totesys" }
    secret_arn = "arn:aws:secretsmanager:eu-west-2:123456789012:secret:rds!db"
    engine     = "redshift"
    ssl_mode   = null
    placement  = { availability_zone = "eu-west-2a", subnet_id = "subnet-1", security_group_ids = ["sg-1"] }
  }

  assert {
    condition     = nonsensitive(aws_glue_connection.this.connection_properties["JDBC_CONNECTION_URL"]) == "jdbc:redshift://db.example.com:5432/totesys"
    error_message = "The engine is part of the URL."
  }

  assert {
    condition = length(aws_secretsmanager_secret.this) == 0 && alltrue([
      for arn in [output.grant.secret_arn, nonsensitive(aws_glue_connection.this.connection_properties["SECRET_ID"])] :
      arn == var.secret_arn
    ])
    error_message = "The connection refers to the existing secret, and none is created."
  }

  assert {
    condition     = aws_glue_connection.this.physical_connection_requirements[0].subnet_id == "subnet-1"
    error_message = "The connection is placed in the subnet."
  }
}

run "ca_certificate_is_in_the_url" {
  module {
    source = "./modules/connection"
  }

  variables {
    certificates = "databases-ca.pem"
  }

  assert {
    condition     = endswith(nonsensitive(aws_glue_connection.this.connection_properties["JDBC_CONNECTION_URL"]), "/totesys?sslmode=verify-full&sslrootcert=databases-ca.pem")
    error_message = "libpq and pgjdbc read both options from the URL."
  }
}

mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  prefix      = "totelake-test"
  kms_key_arn = "arn:aws:kms:eu-west-2:123456789012:key/mock"
  network = {
    vpc_id            = "vpc-1"
    subnet_ids        = ["subnet-1", "subnet-2", "subnet-3"]
    security_group_id = "sg-jobs"
    placement         = { availability_zone = "eu-west-2a", subnet_id = "subnet-1", security_group_ids = ["sg-jobs"] }
  }
}

run "postgres_connection_uses_the_managed_secret" {
  module {
    source = "./modules/warehouse"
  }

  variables {
    kind = "postgres"
  }

  assert {
    condition     = output.arguments == { "--warehouse_connection" = "totelake-test-warehouse" }
    error_message = "The jobs get a connection, as for any Postgres."
  }

  assert {
    condition = [for grant in output.connections : [grant.secret_arn, grant.placement.subnet_id]] == [
      ["arn:aws:secretsmanager:eu-west-2:123456789012:secret:rds!mock", "subnet-1"],
    ]
    error_message = "The connection refers to the secret of RDS and has a VPC placement."
  }
}

run "postgres_is_private_encrypted_backed_up_and_monitored" {
  module {
    source = "./modules/postgres"
  }

  variables {
    name                     = "totelake-test-warehouse"
    database                 = "warehouse"
    owner                    = "warehouse_owner"
    vpc_id                   = "vpc-1"
    subnet_ids               = ["subnet-1", "subnet-2"]
    client_security_group_id = "sg-jobs"
    reader_cidr_blocks       = ["10.9.0.0/24"]
    multi_az                 = null
  }

  assert {
    condition = alltrue([
      !aws_db_instance.this.publicly_accessible, aws_db_instance.this.multi_az, aws_db_instance.this.storage_encrypted,
      aws_db_instance.this.manage_master_user_password, aws_db_instance.this.deletion_protection,
      !aws_db_instance.this.skip_final_snapshot, aws_db_instance.this.iam_database_authentication_enabled,
      aws_db_instance.this.performance_insights_enabled, aws_db_instance.this.copy_tags_to_snapshot,
      aws_db_instance.this.backup_retention_period == 14,
    ])
    error_message = "The defaults are the safe values."
  }

  assert {
    condition = alltrue([
      for key in [aws_db_instance.this.kms_key_id, aws_db_instance.this.master_user_secret_kms_key_id, aws_db_instance.this.performance_insights_kms_key_id] :
      key == var.kms_key_arn
    ])
    error_message = "The project's key encrypts storage, secret and insights."
  }

  assert {
    condition = alltrue([
      aws_db_parameter_group.this.family == "postgres17",
      one([for parameter in aws_db_parameter_group.this.parameter : parameter.value if parameter.name == "rds.force_ssl"]) == "1",
    ])
    error_message = "TLS is required."
  }

  assert {
    condition = alltrue([
      aws_vpc_security_group_ingress_rule.jobs.referenced_security_group_id == "sg-jobs",
      keys(aws_vpc_security_group_ingress_rule.readers) == ["10.9.0.0/24"],
    ])
    error_message = "Only the jobs and the given CIDR blocks may connect."
  }

  assert {
    condition = [for group in aws_cloudwatch_log_group.this : group.name] == [
      "/aws/rds/instance/totelake-test-warehouse/postgresql", "/aws/rds/instance/totelake-test-warehouse/upgrade",
    ]
    error_message = "The log groups have a key and a retention."
  }

  assert {
    condition     = jsondecode(aws_iam_role.monitoring.assume_role_policy).Statement[0].Condition.ArnLike["aws:SourceArn"] == "arn:aws:rds:eu-west-2:123456789012:db:totelake-test-warehouse"
    error_message = "RDS may assume the role for this instance only."
  }
}

run "redshift_uses_the_data_api" {
  module {
    source = "./modules/warehouse"
  }

  variables {
    kind = "redshift"
  }

  assert {
    condition = output.arguments == {
      "--redshift_workgroup" = "totelake-test-warehouse"
      "--redshift_database"  = "warehouse"
      "--redshift_secret"    = "arn:aws:secretsmanager:eu-west-2:123456789012:secret:redshift!mock"
      "--redshift_copy_role" = "arn:aws:iam::123456789012:role/mock"
    }
    error_message = "The jobs get workgroup, database, secret and the role of COPY."
  }

  assert {
    condition     = length(output.connections) == 0
    error_message = "There is no connection and no VPC placement."
  }

  assert {
    condition = { for statement in output.statements : statement.Sid => statement.Resource } == {
      RunWarehouseStatements = ["arn:aws:redshift-serverless:eu-west-2:123456789012:workgroup/mock"]
      ReadOwnStatements      = ["*"]
      ReadWarehouseSecret    = ["arn:aws:secretsmanager:eu-west-2:123456789012:secret:redshift!mock"]
    }
    error_message = "Jobs may run statements in this workgroup, with this secret."
  }

  assert {
    condition = one([
      for statement in output.statements : statement.Condition if statement.Sid == "ReadOwnStatements"
    ]) == { StringEquals = { "redshift-data:statement-owner-iam-userid" = ["$${aws:userid}"] } }
    error_message = "Jobs may read results of their own statements only."
  }
}

run "redshift_is_private_encrypted_and_limited" {
  module {
    source = "./modules/redshift"
  }

  variables {
    name       = "totelake-test-warehouse"
    database   = "warehouse"
    owner      = "warehouse_owner"
    vpc_id     = "vpc-1"
    subnet_ids = ["subnet-1", "subnet-2", "subnet-3"]
    copies = [
      { bucket = "totelake-test-processed", keys = "tables/*" },
      { bucket = "totelake-test-artifacts", keys = "temporary/totelake-test-load/*" },
    ]
  }

  assert {
    condition = alltrue([
      !aws_redshiftserverless_workgroup.this.publicly_accessible, aws_redshiftserverless_workgroup.this.enhanced_vpc_routing,
      aws_redshiftserverless_namespace.this.manage_admin_password,
      aws_redshiftserverless_namespace.this.kms_key_id == var.kms_key_arn,
      length(aws_redshiftserverless_namespace.this.log_exports) == 3,
    ])
    error_message = "Redshift is private, encrypted with the project's key, and exports all logs."
  }

  assert {
    condition     = aws_redshiftserverless_usage_limit.this.amount == 600 && aws_redshiftserverless_usage_limit.this.period == "monthly"
    error_message = "There is a monthly usage limit."
  }

  assert {
    condition = {
      for statement in jsondecode(aws_iam_role_policy.copy.policy).Statement : statement.Sid => statement.Resource
      } == {
      ListBuckets = ["arn:aws:s3:::totelake-test-processed", "arn:aws:s3:::totelake-test-artifacts"]
      ReadCopySources = [
        "arn:aws:s3:::totelake-test-processed/tables/*", "arn:aws:s3:::totelake-test-artifacts/temporary/totelake-test-load/*",
      ]
      UseKey = [var.kms_key_arn]
    }
    error_message = "COPY reads only the star tables and the load's manifests."
  }

  assert {
    condition = jsondecode(aws_iam_role.copy.assume_role_policy).Statement[0].Condition.StringLike["sts:ExternalId"] == (
      "arn:aws:redshift:eu-west-2:123456789012:dbuser:serverless-123456789012-*/warehouse_owner"
    )
    error_message = "Only the owner of the warehouse may use the COPY role."
  }
}

run "new_warehouse_requires_a_network" {
  command = plan

  module {
    source = "./modules/warehouse"
  }

  variables {
    kind    = "postgres"
    network = null
  }

  expect_failures = [var.kind]
}

run "redshift_in_two_zones_is_refused" {
  command = plan

  module {
    source = "./modules/redshift"
  }

  variables {
    name       = "totelake-test-warehouse"
    database   = "warehouse"
    owner      = "warehouse_owner"
    vpc_id     = "vpc-1"
    subnet_ids = ["subnet-1", "subnet-2"]
    copies     = []
  }

  expect_failures = [var.subnet_ids]
}

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

run "only_the_define_job_has_the_login_of_the_owner" {
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
      [aws_secretsmanager_secret.roles["loader"].arn, "subnet-1"],
    ]
    error_message = "The connection of the other jobs refers to the loader's secret and has a VPC placement."
  }

  assert {
    condition = [for grant in output.definition.connections : [grant.name, grant.secret_arn, grant.placement.subnet_id]] == [
      ["totelake-test-warehouse-owner", "arn:aws:secretsmanager:eu-west-2:123456789012:secret:rds!mock", "subnet-1"],
    ]
    error_message = "The connection of the define job refers to the secret of RDS."
  }

  assert {
    condition = output.definition.arguments == {
      "--warehouse_connection" = "totelake-test-warehouse-owner"
      "--loader_secret"        = aws_secretsmanager_secret.roles["loader"].arn
      "--reader_secret"        = aws_secretsmanager_secret.roles["reader"].arn
    }
    error_message = "The define job knows the secrets of the roles that it creates."
  }

  assert {
    condition = { for statement in output.definition.statements : statement.Sid => statement.Action } == {
      WriteRoleSecrets = ["secretsmanager:GetSecretValue", "secretsmanager:PutSecretValue"]
    }
    error_message = "It reads and writes them."
  }
}

run "existing_warehouse_is_defined_by_its_owner" {
  module {
    source = "./modules/warehouse"
  }

  variables {
    kind  = "existing"
    login = { host = "db.example.com", port = 5432, database = "warehouse", username = "warehouse_loader", password = "w" }
  }

  assert {
    condition     = output.definition == null && length(aws_secretsmanager_secret.roles) == 0
    error_message = "There is no define job, and the secret is that of the given login only."
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
    condition     = can(regex("^totelake-test-warehouse-final-20[0-9]{12}$", aws_db_instance.this.final_snapshot_identifier))
    error_message = "The snapshot of another instance of the same name does not prevent the deletion."
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

run "temporary_postgres_leaves_nothing" {
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
    deletion_protection      = false
    final_snapshot           = false
  }

  assert {
    condition = (
      !aws_db_instance.this.deletion_protection && aws_db_instance.this.skip_final_snapshot
      && aws_db_instance.this.delete_automated_backups
    )
    error_message = "Neither snapshot nor backups remain."
  }
}

run "deletable_postgres_keeps_a_final_snapshot" {
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
    deletion_protection      = false
  }

  assert {
    condition     = !aws_db_instance.this.skip_final_snapshot && !aws_db_instance.this.delete_automated_backups
    error_message = "Deletion protection has to be off before a deletion, which then keeps the data."
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
      "--redshift_secret"    = aws_secretsmanager_secret.roles["loader"].arn
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
      ReadWarehouseSecret    = [aws_secretsmanager_secret.roles["loader"].arn]
    }
    error_message = "Jobs may run statements in this workgroup, as the loader."
  }

  assert {
    condition = (
      output.definition.arguments["--redshift_secret"] == "arn:aws:secretsmanager:eu-west-2:123456789012:secret:redshift!mock"
      && { for statement in output.definition.statements : statement.Sid => statement.Resource } == {
        RunWarehouseStatements = ["arn:aws:redshift-serverless:eu-west-2:123456789012:workgroup/mock"]
        ReadOwnStatements      = ["*"]
        ReadWarehouseSecret    = ["arn:aws:secretsmanager:eu-west-2:123456789012:secret:redshift!mock"]
        WriteRoleSecrets       = values(aws_secretsmanager_secret.roles)[*].arn
      }
    )
    error_message = "Only the define job may run statements as the administrator."
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
    loader     = "warehouse_loader"
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
      "arn:aws:redshift:eu-west-2:123456789012:dbuser:serverless-123456789012-*/warehouse_loader"
    )
    error_message = "Only the loader of the warehouse may use the COPY role."
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
    loader     = "warehouse_loader"
    vpc_id     = "vpc-1"
    subnet_ids = ["subnet-1", "subnet-2"]
    copies     = []
  }

  expect_failures = [var.subnet_ids]
}

# Names that all kinds of warehouse share. The owner defines the warehouse, in the job define only; the loader loads it, and
# the reader reads it.
locals {
  name     = "${var.prefix}-warehouse"
  database = "warehouse"
  owner    = "warehouse_owner"
  loader   = "warehouse_loader" # as in totelake/warehouse/names.py

  roles       = toset(var.kind == "existing" ? [] : ["loader", "reader"])
  secret_arns = { for role, secret in aws_secretsmanager_secret.roles : role => secret.arn }
}

# Without a value: the job define writes the password that it gives the role.
resource "aws_secretsmanager_secret" "roles" {
  #checkov:skip=CKV2_AWS_57: The job define rotates it, with --rotate true: only it may set the password in the database.
  for_each = local.roles

  name                    = "${var.prefix}/warehouse-${each.key}"
  description             = "User and password of the role warehouse_${each.key}."
  kms_key_id              = var.kms_key_arn
  recovery_window_in_days = var.recovery_window_in_days
}

module "postgres" {
  source = "../postgres"
  count  = var.kind == "postgres" ? 1 : 0

  name     = local.name
  database = local.database
  owner    = local.owner

  vpc_id                   = var.network.vpc_id
  subnet_ids               = var.network.subnet_ids
  client_security_group_id = var.network.security_group_id
  reader_cidr_blocks       = var.reader_cidr_blocks

  engine_version      = var.postgres.engine_version
  instance_class      = var.postgres.instance_class
  storage_gib         = var.postgres.storage_gib
  largest_storage_gib = var.postgres.largest_storage_gib
  multi_az            = var.postgres.multi_az
  backup_days         = var.postgres.backup_days
  deletion_protection = var.postgres.deletion_protection
  final_snapshot      = var.postgres.final_snapshot

  kms_key_arn        = var.kms_key_arn
  log_retention_days = var.log_retention_days
  role_defaults      = var.role_defaults
}

module "redshift" {
  source = "../redshift"
  count  = var.kind == "redshift" ? 1 : 0

  name     = local.name
  database = local.database
  owner    = local.owner
  loader   = local.loader

  vpc_id             = var.network.vpc_id
  subnet_ids         = var.network.subnet_ids
  reader_cidr_blocks = var.reader_cidr_blocks
  copies             = var.copies

  base_capacity = var.redshift.base_capacity
  max_capacity  = var.redshift.max_capacity
  monthly_limit = var.redshift.monthly_limit

  kms_key_arn        = var.kms_key_arn
  log_retention_days = var.log_retention_days
  role_defaults      = var.role_defaults
}

module "connection" {
  source = "../connection"
  count  = var.kind == "redshift" ? 0 : 1

  prefix      = var.prefix
  name        = "warehouse"
  description = "Warehouse, with the role that loads it."
  login = var.kind == "existing" ? var.login : {
    host     = one(module.postgres[*].host)
    port     = one(module.postgres[*].port)
    database = one(module.postgres[*].database)
    username = null
    password = null
  }
  secret_arn              = lookup(local.secret_arns, "loader", null)
  ssl_mode                = var.ssl_mode
  certificates            = var.certificates
  placement               = var.network == null ? null : var.network.placement
  kms_key_arn             = var.kms_key_arn
  recovery_window_in_days = var.recovery_window_in_days
}

module "owner" {
  source = "../connection"
  count  = var.kind == "postgres" ? 1 : 0

  prefix      = var.prefix
  name        = "warehouse-owner"
  description = "Warehouse, with the role that owns the database."
  login = {
    host     = one(module.postgres[*].host)
    port     = one(module.postgres[*].port)
    database = one(module.postgres[*].database)
  }
  secret_arn   = one(module.postgres[*].secret_arn)
  ssl_mode     = var.ssl_mode
  certificates = var.certificates
  placement    = var.network.placement
}

locals {
  arguments = merge(
    { for connection in module.connection : "--warehouse_connection" => connection.name },
    merge([for redshift in module.redshift : {
      "--redshift_workgroup" = redshift.workgroup.name
      "--redshift_database"  = redshift.database
      "--redshift_secret"    = local.secret_arns["loader"]
      "--redshift_copy_role" = redshift.copy_role_arn
    }]...),
  )

  redshift_statements = {
    for login, secret_arn in { loader = lookup(local.secret_arns, "loader", null), owner = one(module.redshift[*].secret_arn) } :
    login => flatten([for redshift in module.redshift : [
      {
        Sid       = "RunWarehouseStatements"
        Effect    = "Allow"
        Action    = ["redshift-data:BatchExecuteStatement"]
        Resource  = [redshift.workgroup.arn]
        Condition = null
      },
      {
        # Statements have no ARN; the condition limits access to own statements.
        Sid       = "ReadOwnStatements"
        Effect    = "Allow"
        Action    = ["redshift-data:DescribeStatement", "redshift-data:GetStatementResult"]
        Resource  = ["*"]
        Condition = { StringEquals = { "redshift-data:statement-owner-iam-userid" = ["$${aws:userid}"] } }
      },
      {
        Sid       = "ReadWarehouseSecret"
        Effect    = "Allow"
        Action    = ["secretsmanager:GetSecretValue"]
        Resource  = [secret_arn]
        Condition = null
      },
    ]])
  }

  definition = {
    arguments = merge(
      local.arguments,
      { for owner in module.owner : "--warehouse_connection" => owner.name },
      { for redshift in module.redshift : "--redshift_secret" => redshift.secret_arn },
      { for role, arn in local.secret_arns : "--${role}_secret" => arn },
    )
    connections = module.owner[*].grant
    statements = concat(local.redshift_statements["owner"], [{
      Sid       = "WriteRoleSecrets"
      Effect    = "Allow"
      Action    = ["secretsmanager:GetSecretValue", "secretsmanager:PutSecretValue"]
      Resource  = values(local.secret_arns)
      Condition = null
    }])
  }
}

# Names that all kinds of warehouse share; the owner role creates the tables.
locals {
  name     = "${var.prefix}-warehouse"
  database = "warehouse"
  owner    = "warehouse_owner"
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
  description = "Warehouse, with the role that owns the database."
  login = var.kind == "existing" ? var.login : {
    host     = one(module.postgres[*].host)
    port     = one(module.postgres[*].port)
    database = one(module.postgres[*].database)
    username = null
    password = null
  }
  secret_arn              = one(module.postgres[*].secret_arn)
  ssl_mode                = var.ssl_mode
  certificates            = var.certificates
  placement               = var.network == null ? null : var.network.placement
  kms_key_arn             = var.kms_key_arn
  recovery_window_in_days = var.recovery_window_in_days
}

locals {
  arguments = merge(
    { for connection in module.connection : "--warehouse_connection" => connection.name },
    merge([for redshift in module.redshift : {
      "--redshift_workgroup" = redshift.workgroup.name
      "--redshift_database"  = redshift.database
      "--redshift_secret"    = redshift.secret_arn
      "--redshift_copy_role" = redshift.copy_role_arn
    }]...),
  )

  statements = flatten([for redshift in module.redshift : [
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
      Resource  = [redshift.secret_arn]
      Condition = null
    },
  ]])
}

data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}
data "aws_region" "current" {}

locals {
  account   = data.aws_caller_identity.current.account_id
  partition = data.aws_partition.current.partition
  region    = data.aws_region.current.name

  temporary  = { bucket = var.artifacts, prefix = "temporary/${var.name}/" }
  placements = compact([for connection in var.connections : connection.placement == null ? "" : connection.name])

  # S3A guesses the region if it is not set, and a bucket with Object Lock requires a checksum on each PUT.
  spark_conf = [
    "spark.hadoop.fs.s3a.endpoint.region=${local.region}",
    "spark.hadoop.fs.s3a.create.checksum.algorithm=CRC32",
  ]

  # The zip of wheels is complete, so pip needs no index.
  wheels_only = length(var.python_modules) > 0 && alltrue([for module in var.python_modules : startswith(module, "s3://")])

  arguments = {
    "--job-language"                     = "python"
    "--job-bookmark-option"              = "job-bookmark-disable"
    "--extra-py-files"                   = var.package
    "--additional-python-modules"        = join(",", var.python_modules)
    "--python-modules-installer-option"  = local.wheels_only ? "--no-index" : null
    "--extra-files"                      = var.certificates
    "--code_version"                     = var.code_version
    "--TempDir"                          = "s3://${local.temporary.bucket}/${local.temporary.prefix}"
    "--conf"                             = join(" --conf ", local.spark_conf)
    "--enable-metrics"                   = var.glue_metrics ? "" : null # enabled by its presence, whatever the value
    "--enable-observability-metrics"     = var.glue_metrics ? "true" : null
    "--enable-continuous-cloudwatch-log" = "true"
    "--disable-proxy-v2"                 = var.disable_proxy && length(local.placements) > 0 ? "true" : null
  }
}

resource "aws_glue_job" "this" {
  name              = var.name
  description       = var.description
  role_arn          = module.role.arn
  glue_version      = var.glue_version
  worker_type       = var.worker_type
  number_of_workers = var.number_of_workers
  timeout           = var.timeout
  execution_class   = "STANDARD"
  # The next run continues from the last commit; how retries affect a workflow's triggers is not documented.
  max_retries       = 0
  connections       = local.placements
  default_arguments = merge({ for name, value in local.arguments : name => value if value != null }, var.arguments)

  security_configuration = var.security_configuration

  command {
    name            = "glueetl"
    python_version  = "3"
    script_location = var.script
  }

  execution_property {
    max_concurrent_runs = 1
  }

  depends_on = [aws_cloudwatch_log_group.this]
}

module "role" {
  source = "../role"

  name        = var.name
  description = "Role of the Glue job ${var.name}."
  service     = "glue.amazonaws.com"
  # AWS does not document which ARN Glue passes as aws:SourceArn.
  source_arn = var.trust_conditions ? "arn:${local.partition}:glue:${local.region}:${local.account}:*" : null
  policy     = jsonencode({ Version = "2012-10-17", Statement = local.statements })

  role_defaults = var.role_defaults
}

# Otherwise Glue creates the groups with unlimited retention.
resource "aws_cloudwatch_log_group" "this" {
  for_each = toset(var.security_configuration == null ? [] : ["error", "output"])

  name              = "${local.log_root}/${each.key}"
  retention_in_days = var.log_retention_days
  kms_key_id        = var.kms_key_arn
}

locals {
  s3      = "arn:${local.partition}:s3:::"
  catalog = "arn:${local.partition}:glue:${local.region}:${local.account}"

  # With a security configuration each role has its own log groups; otherwise all jobs of the account share theirs.
  log_root = var.security_configuration == null ? "/aws-glue/jobs" : "/aws-glue/jobs/${var.security_configuration}-role/${var.name}"
  logs     = "arn:${local.partition}:logs:${local.region}:${local.account}:log-group:${local.log_root}"

  artifact_keys = compact([
    "scripts/*", "packages/*", local.wheels_only ? "wheels/*" : "", var.certificates == null ? "" : "certificates/*",
  ])

  reads  = concat(var.reads, [{ bucket = var.artifacts, keys = concat(local.artifact_keys, ["${local.temporary.prefix}*"]) }])
  writes = concat(var.writes, [{ bucket = var.artifacts, keys = ["${local.temporary.prefix}*"] }])
  deletes = concat(
    # Spark's committer moves task output out of these folders. Data files cannot be deleted.
    [for write in var.writes : {
      bucket = write.bucket
      keys   = flatten([for key in write.keys : ["${key}/_temporary/*", "${key}/__magic*"] if !can(regex("^(log|checkpoints)/", key))])
    }],
    [{ bucket = var.artifacts, keys = ["${local.temporary.prefix}*"] }],
  )

  objects = {
    ReadObjects            = { actions = ["s3:GetObject"], places = local.reads }
    WriteObjects           = { actions = ["s3:PutObject", "s3:AbortMultipartUpload"], places = local.writes }
    DeleteTemporaryObjects = { actions = ["s3:DeleteObject"], places = local.deletes }
  }

  object_statements = [
    for sid, grant in local.objects : {
      Sid      = sid
      Effect   = "Allow"
      Action   = grant.actions
      Resource = flatten([for place in grant.places : [for key in place.keys : "${local.s3}${place.bucket}/${key}"]])
    }
  ]

  list_statement = {
    # Not limited to prefixes: without ListBucket, S3 answers 403 instead of 404 to a HEAD of a missing key, and a HEAD has
    # no prefix that a condition could match. Glue itself calls GetBucketLocation.
    Sid      = "ListBuckets"
    Effect   = "Allow"
    Action   = ["s3:ListBucket", "s3:GetBucketLocation"]
    Resource = distinct([for place in concat(local.reads, local.writes) : "${local.s3}${place.bucket}"])
  }

  version_statements = [for statement in [
    {
      Sid      = "ListVersions"
      Effect   = "Allow"
      Action   = ["s3:ListBucketVersions"]
      Resource = [for bucket in var.lists_versions_in : "${local.s3}${bucket}"]
    },
  ] : statement if length(var.lists_versions_in) > 0]

  log_statement = {
    Sid      = "WriteLogs"
    Effect   = "Allow"
    Action   = ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"]
    Resource = [for group in ["output", "error", "logs-v2"] : "${local.logs}/${group}:*"]
  }

  security_statements = flatten([for name in var.security_configuration[*] : [
    {
      # Called by the driver; Glue supports no resource-level permissions for this action.
      Sid       = "ReadSecurityConfiguration"
      Effect    = "Allow"
      Action    = ["glue:GetSecurityConfiguration"]
      Resource  = ["*"]
      Condition = { StringEquals = { "aws:RequestedRegion" = [local.region] } }
    },
    {
      # Glue associates the key with a group before it writes; without this permission it writes no logs.
      Sid      = "EncryptLogs"
      Effect   = "Allow"
      Action   = ["logs:AssociateKmsKey"]
      Resource = flatten([for group in ["output", "error"] : ["${local.logs}/${group}", "${local.logs}/${group}:*"]])
    },
  ]])

  metric_statement = {
    # CloudWatch supports no resource-level permissions for this action; the namespace limits it.
    Sid       = "PublishMetrics"
    Effect    = "Allow"
    Action    = ["cloudwatch:PutMetricData"]
    Resource  = ["*"]
    Condition = { StringEquals = { "cloudwatch:namespace" = var.glue_metrics ? ["Glue", "Totelake"] : ["Totelake"] } }
  }

  partitions = {
    RegisterPartitions   = { actions = ["glue:GetTable", "glue:BatchCreatePartition"], databases = var.registers_in }
    UnregisterPartitions = { actions = ["glue:GetPartitions", "glue:BatchDeletePartition"], databases = var.unregisters_in }
    ListPartitions       = { actions = ["glue:GetPartitions"], databases = var.lists_partitions_in }
  }

  catalog_statements = [
    for sid, grant in local.partitions : {
      Sid    = sid
      Effect = "Allow"
      Action = grant.actions
      Resource = concat(["${local.catalog}:catalog"], flatten([
        for database in grant.databases : ["${local.catalog}:database/${database}", "${local.catalog}:table/${database}/*"]
      ]))
    } if length(grant.databases) > 0
  ]

  drift_statements = flatten([for databases in var.drift_check[*] : [
    {
      Sid    = "ReadDiscoveredTables"
      Effect = "Allow"
      Action = ["glue:GetTables"]
      Resource = [
        "${local.catalog}:catalog", "${local.catalog}:database/${databases.discovered}",
        "${local.catalog}:table/${databases.discovered}/*",
      ]
    },
    {
      Sid    = "ReadPartitions"
      Effect = "Allow"
      Action = ["glue:GetPartitions"]
      Resource = concat(["${local.catalog}:catalog"], flatten([
        for database in [databases.discovered, databases.declared] :
        ["${local.catalog}:database/${database}", "${local.catalog}:table/${database}/*"]
      ]))
    },
    {
      Sid      = "ReadCrawler"
      Effect   = "Allow"
      Action   = ["glue:GetCrawler"]
      Resource = [databases.crawler]
    },
  ]])

  # Jobs of a workflow run exchange values that are not in the lake as run properties.
  workflow_statements = [for statement in [
    { Sid = "GetRunProperties", Action = ["glue:GetWorkflowRunProperties"], workflow = var.run_properties.reads },
    { Sid = "PutRunProperties", Action = ["glue:PutWorkflowRunProperties"], workflow = var.run_properties.writes },
    ] : { Sid = statement.Sid, Effect = "Allow", Action = statement.Action, Resource = [statement.workflow] }
    if statement.workflow != null
  ]

  # One statement for all connections: a Sid must be unique within a policy.
  connection_statements = [for statement in [
    {
      Sid      = "ReadConnections"
      Effect   = "Allow"
      Action   = ["glue:GetConnection"]
      Resource = concat(["${local.catalog}:catalog"], var.connections[*].arn)
    },
    {
      Sid      = "ReadSecrets"
      Effect   = "Allow"
      Action   = ["secretsmanager:GetSecretValue"]
      Resource = var.connections[*].secret_arn
    },
  ] : statement if length(var.connections) > 0]

  key_statements = [
    for arn in var.kms_key_arn == null ? [] : [var.kms_key_arn] : {
      Sid      = "UseKey"
      Effect   = "Allow"
      Action   = ["kms:CreateGrant", "kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey"]
      Resource = [arn]
      Condition = {
        StringEquals = {
          "kms:ViaService" = [for service in ["glue", "s3", "secretsmanager"] : "${service}.${local.region}.amazonaws.com"]
        }
      }
    }
  ]

  ec2            = "arn:${local.partition}:ec2:${local.region}:${local.account}"
  vpc_placements = [for connection in var.connections : connection.placement if connection.placement != null]

  # In a VPC, Glue creates a network interface for each worker, with the job's role.
  network_statements = [for statement in [
    {
      # EC2 supports no resource-level permissions for Describe actions.
      Sid    = "DescribeVpc"
      Effect = "Allow"
      Action = [
        "ec2:DescribeNetworkInterfaces", "ec2:DescribeRouteTables", "ec2:DescribeSecurityGroups",
        "ec2:DescribeSubnets", "ec2:DescribeVpcAttribute", "ec2:DescribeVpcEndpoints",
      ]
      Resource  = ["*"]
      Condition = { StringEquals = { "aws:RequestedRegion" = [local.region] } }
    },
    {
      Sid    = "CreateNetworkInterfaces"
      Effect = "Allow"
      Action = ["ec2:CreateNetworkInterface"]
      Resource = concat(
        ["${local.ec2}:network-interface/*"],
        distinct([for place in local.vpc_placements : "${local.ec2}:subnet/${place.subnet_id}"]),
        distinct(flatten([
          for place in local.vpc_placements : [for id in place.security_group_ids : "${local.ec2}:security-group/${id}"]
        ])),
      )
    },
    {
      Sid       = "TagNetworkInterfaces"
      Effect    = "Allow"
      Action    = ["ec2:CreateTags", "ec2:DeleteTags"]
      Resource  = ["${local.ec2}:network-interface/*"]
      Condition = { "ForAllValues:StringEquals" = { "aws:TagKeys" = ["aws-glue-service-resource"] } }
    },
    {
      # Only interfaces in the job's own subnets.
      Sid      = "DeleteNetworkInterfaces"
      Effect   = "Allow"
      Action   = ["ec2:DeleteNetworkInterface"]
      Resource = ["${local.ec2}:network-interface/*"]
      Condition = {
        ArnEquals = { "ec2:Subnet" = distinct([for place in local.vpc_placements : "${local.ec2}:subnet/${place.subnet_id}"]) }
      }
    },
  ] : statement if length(local.vpc_placements) > 0]

  statements = concat(
    [local.list_statement, local.log_statement, local.metric_statement],
    local.object_statements,
    local.version_statements,
    local.catalog_statements,
    local.drift_statements,
    local.workflow_statements,
    local.connection_statements,
    local.network_statements,
    local.key_statements,
    local.security_statements,
    [for statement in var.statements : { for element, value in statement : element => value if value != null }],
  )
}

data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}
data "aws_region" "current" {}

locals {
  account   = data.aws_caller_identity.current.account_id
  partition = data.aws_partition.current.partition
  region    = data.aws_region.current.name

  temporary  = { bucket = var.artifacts, prefix = "temporary/${var.name}/" }
  placements = compact([for connection in var.connections : connection.placement == null ? "" : connection.name])

  # Settings of Spark; S3A guesses a region when it is told none, and a bucket with Object Lock takes no object without
  # a checksum.
  settings = [
    "spark.hadoop.fs.s3a.endpoint.region=${local.region}",
    "spark.hadoop.fs.s3a.create.checksum.algorithm=CRC32",
  ]

  # The wheels are all that is needed, each of them pinned by its hash: no index is asked, nothing is resolved.
  wheels_only = length(var.python_modules) > 0 && alltrue([for module in var.python_modules : startswith(module, "s3://")])

  arguments = {
    "--job-language"                     = "python"
    "--job-bookmark-option"              = "job-bookmark-disable"
    "--extra-py-files"                   = var.package
    "--additional-python-modules"        = join(",", var.python_modules)
    "--python-modules-installer-option"  = local.wheels_only ? "--no-index --no-deps" : null
    "--extra-files"                      = var.certificates
    "--code_version"                     = var.code_version
    "--TempDir"                          = "s3://${local.temporary.bucket}/${local.temporary.prefix}"
    "--conf"                             = join(" --conf ", local.settings)
    "--enable-metrics"                   = "" # on by being there, whatever the value
    "--enable-observability-metrics"     = "true"
    "--enable-continuous-cloudwatch-log" = "true"
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
  # Every stage catches up by itself at the next run; whether a workflow's triggers fire for each attempt is undocumented.
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
  description = "What the Glue job ${var.name} may do."
  service     = "glue.amazonaws.com"
  # Which of a job's ARNs Glue names when it takes the role is not documented.
  source_arn = "arn:${local.partition}:glue:${local.region}:${local.account}:*"
  policy     = jsonencode({ Version = "2012-10-17", Statement = local.statements })
}

# Glue would make the groups itself, to be kept for ever.
resource "aws_cloudwatch_log_group" "this" {
  for_each = toset(var.security_configuration == null ? [] : ["error", "output"])

  name              = "${local.log_root}/${each.key}"
  retention_in_days = var.log_retention_days
  kms_key_id        = var.kms_key_arn
}

locals {
  s3      = "arn:${local.partition}:s3:::"
  catalog = "arn:${local.partition}:glue:${local.region}:${local.account}"

  # A security configuration gives every role log groups of its own; without one all jobs of the account share theirs.
  log_root = var.security_configuration == null ? "/aws-glue/jobs" : "/aws-glue/jobs/${var.security_configuration}-role/${var.name}"
  logs     = "arn:${local.partition}:logs:${local.region}:${local.account}:log-group:${local.log_root}"

  shipped = compact([
    "scripts/*", "packages/*", local.wheels_only ? "wheels/*" : "", var.certificates == null ? "" : "certificates/*",
  ])

  reads  = concat(var.reads, [{ bucket = var.artifacts, keys = concat(local.shipped, ["${local.temporary.prefix}*"]) }])
  writes = concat(var.writes, [{ bucket = var.artifacts, keys = ["${local.temporary.prefix}*"] }])
  erases = concat(
    # Spark's committer moves files out of these folders when a task is done. No data file can be deleted.
    [for write in var.writes : {
      bucket = write.bucket
      keys   = flatten([for key in write.keys : ["${key}/_temporary/*", "${key}/__magic*"] if !startswith(key, "log/")])
    }],
    [{ bucket = var.artifacts, keys = ["${local.temporary.prefix}*"] }],
  )

  objects = {
    ReadObjects            = { actions = ["s3:GetObject"], places = local.reads }
    WriteObjects           = { actions = ["s3:PutObject", "s3:AbortMultipartUpload"], places = local.writes }
    DeleteTemporaryObjects = { actions = ["s3:DeleteObject"], places = local.erases }
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
    # Not narrowed to prefixes: without the right to list a bucket, S3 answers 403 instead of 404 to a HEAD of a key that
    # is not there yet, and a HEAD has no prefix that a condition could match. Where a bucket is, Glue asks by itself.
    Sid      = "ListBuckets"
    Effect   = "Allow"
    Action   = ["s3:ListBucket", "s3:GetBucketLocation"]
    Resource = distinct([for place in concat(local.reads, local.writes) : "${local.s3}${place.bucket}"])
  }

  log_statement = {
    Sid      = "WriteLogs"
    Effect   = "Allow"
    Action   = ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"]
    Resource = [for group in ["output", "error", "logs-v2"] : "${local.logs}/${group}:*"]
  }

  security_statements = flatten([for name in var.security_configuration[*] : [
    {
      # The driver asks what it has to encrypt with; Glue limits the question to no resource.
      Sid       = "ReadSecurityConfiguration"
      Effect    = "Allow"
      Action    = ["glue:GetSecurityConfiguration"]
      Resource  = ["*"]
      Condition = { StringEquals = { "aws:RequestedRegion" = [local.region] } }
    },
    {
      # Glue ties its key to a group before it writes, and writes nothing where it may not.
      Sid      = "EncryptLogs"
      Effect   = "Allow"
      Action   = ["logs:AssociateKmsKey"]
      Resource = flatten([for group in ["output", "error"] : ["${local.logs}/${group}", "${local.logs}/${group}:*"]])
    },
  ]])

  metric_statement = {
    # CloudWatch knows no resource here; the namespace is the limit.
    Sid       = "PublishMetrics"
    Effect    = "Allow"
    Action    = ["cloudwatch:PutMetricData"]
    Resource  = ["*"]
    Condition = { StringEquals = { "cloudwatch:namespace" = ["Glue", "Totelake"] } }
  }

  partitions = {
    RegisterPartitions   = { actions = ["glue:GetTable", "glue:BatchCreatePartition"], databases = var.registers_in }
    UnregisterPartitions = { actions = ["glue:GetPartitions", "glue:BatchDeletePartition"], databases = var.unregisters_in }
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

  judge_statements = flatten([for judged in var.judges == null ? [] : [var.judges] : [
    {
      Sid    = "ReadFoundTables"
      Effect = "Allow"
      Action = ["glue:GetTables"]
      Resource = [
        "${local.catalog}:catalog", "${local.catalog}:database/${judged.found}", "${local.catalog}:table/${judged.found}/*",
      ]
    },
    {
      Sid    = "ReadPartitions"
      Effect = "Allow"
      Action = ["glue:GetPartitions"]
      Resource = concat(["${local.catalog}:catalog"], flatten([
        for database in [judged.found, judged.declared] :
        ["${local.catalog}:database/${database}", "${local.catalog}:table/${database}/*"]
      ]))
    },
    {
      Sid      = "ReadCrawler"
      Effect   = "Allow"
      Action   = ["glue:GetCrawler"]
      Resource = [judged.crawler]
    },
  ]])

  # By them the jobs of a run tell each other what is not in the lake.
  workflow_statements = [for statement in [
    { Sid = "FindInWorkflowRun", Action = ["glue:GetWorkflowRunProperties"], workflow = var.run_properties.reads },
    { Sid = "NoteInWorkflowRun", Action = ["glue:PutWorkflowRunProperties"], workflow = var.run_properties.writes },
    ] : { Sid = statement.Sid, Effect = "Allow", Action = statement.Action, Resource = [statement.workflow] }
    if statement.workflow != null
  ]

  # One statement for all of them: a Sid is used once in a policy.
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
      Action   = ["kms:Decrypt", "kms:GenerateDataKey"]
      Resource = [arn]
      Condition = {
        StringEquals = {
          "kms:ViaService" = [for service in ["glue", "s3", "secretsmanager"] : "${service}.${local.region}.amazonaws.com"]
        }
      }
    }
  ]

  ec2    = "arn:${local.partition}:ec2:${local.region}:${local.account}"
  places = [for connection in var.connections : connection.placement if connection.placement != null]

  # What Glue does in a VPC with the job's role: one network interface for each worker.
  network_statements = [for statement in [
    {
      # EC2 does not limit Describe actions to resources.
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
        distinct([for place in local.places : "${local.ec2}:subnet/${place.subnet_id}"]),
        distinct(flatten([
          for place in local.places : [for id in place.security_group_ids : "${local.ec2}:security-group/${id}"]
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
      Sid      = "UnplugFromTheVpc"
      Effect   = "Allow"
      Action   = ["ec2:DeleteNetworkInterface"]
      Resource = ["${local.ec2}:network-interface/*"]
      Condition = {
        ArnEquals = { "ec2:Subnet" = distinct([for place in local.places : "${local.ec2}:subnet/${place.subnet_id}"]) }
      }
    },
  ] : statement if length(local.places) > 0]

  statements = concat(
    [local.list_statement, local.log_statement, local.metric_statement],
    local.object_statements,
    local.catalog_statements,
    local.judge_statements,
    local.workflow_statements,
    local.connection_statements,
    local.network_statements,
    local.key_statements,
    local.security_statements,
    [for statement in var.statements : { for element, value in statement : element => value if value != null }],
  )
}

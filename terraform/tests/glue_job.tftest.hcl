mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  name           = "totelake-test-ingest"
  description    = "Ingests changes."
  script         = "s3://totelake-test-artifacts/scripts/ingest-0.py"
  package        = "s3://totelake-test-artifacts/packages/totelake-0.zip"
  artifacts      = "totelake-test-artifacts"
  python_modules = ["psycopg[binary]==1.2.3", "pycountry==4.5.6"]
  code_version   = "0123456789ab"
  arguments      = { "--ingested" = "totelake-test-ingested" }
  reads          = [{ bucket = "totelake-test-ingested", keys = ["log/*", "checkpoints/*", "tables/*"] }]
  writes         = [{ bucket = "totelake-test-ingested", keys = ["log/*", "checkpoints/*", "tables/*"] }]
  registers_in   = ["totesys_ingested"]
  kms_key_arn    = "arn:aws:kms:eu-west-2:123456789012:key/mock"

  security_configuration = "totelake-test"

  statements = [{
    Sid       = "AskWarehouse"
    Effect    = "Allow"
    Action    = ["redshift-data:DescribeStatement"]
    Resource  = ["*"]
    Condition = { StringEquals = { "redshift-data:statement-owner-iam-userid" = ["$${aws:userid}"] } }
  }]
  connections = [{
    name       = "totelake-test-totesys"
    arn        = "arn:aws:glue:eu-west-2:123456789012:connection/totelake-test-totesys"
    secret_arn = "arn:aws:secretsmanager:eu-west-2:123456789012:secret:totelake-test/totesys"
    placement  = { availability_zone = "eu-west-2a", subnet_id = "subnet-1", security_group_ids = ["sg-1"] }
  }]
}

run "job_has_only_the_required_permissions" {
  module {
    source = "./modules/glue_job"
  }

  assert {
    condition = alltrue([
      aws_glue_job.this.glue_version == "6.0", aws_glue_job.this.worker_type == "G.1X",
      aws_glue_job.this.number_of_workers == 2, aws_glue_job.this.max_retries == 0,
      aws_glue_job.this.execution_property[0].max_concurrent_runs == 1,
    ])
    error_message = "Glue 6.0, two G.1X workers, no retries, one run at a time."
  }

  assert {
    condition = alltrue([
      aws_glue_job.this.default_arguments["--ingested"] == "totelake-test-ingested",
      aws_glue_job.this.default_arguments["--extra-py-files"] == var.package,
      aws_glue_job.this.default_arguments["--additional-python-modules"] == "psycopg[binary]==1.2.3,pycountry==4.5.6",
      aws_glue_job.this.default_arguments["--code_version"] == "0123456789ab",
      aws_glue_job.this.default_arguments["--TempDir"] == "s3://totelake-test-artifacts/temporary/totelake-test-ingest/",
      strcontains(aws_glue_job.this.default_arguments["--conf"], "fs.s3a.endpoint.region=eu-west-2"),
    ])
    error_message = "The job has its own arguments and the common ones."
  }

  assert {
    condition     = aws_glue_job.this.connections == tolist(["totelake-test-totesys"])
    error_message = "A connection with a VPC placement places the job in the VPC."
  }

  assert {
    condition     = jsondecode(module.role.trust).Statement[0].Condition.StringEquals["aws:SourceAccount"] == "123456789012"
    error_message = "Only Glue in this account may assume the role."
  }

  assert {
    condition = alltrue([
      for statement in jsondecode(module.role.policy).Statement :
      !contains(flatten([statement.Resource]), "*") || can(statement.Condition)
    ])
    error_message = "Statements with resource * have a condition."
  }

  assert {
    condition = alltrue(flatten([
      for statement in jsondecode(module.role.policy).Statement : [
        for action in statement.Action : !strcontains(action, "*")
      ]
    ]))
    error_message = "No action is a wildcard."
  }

  assert {
    condition = alltrue(flatten([
      for statement in jsondecode(module.role.policy).Statement : [
        for action in statement.Action : !contains(["s3:DeleteObjectVersion", "s3:BypassGovernanceRetention"], action)
      ]
    ]))
    error_message = "No job can delete object versions."
  }

  assert {
    condition = toset(flatten([
      for statement in jsondecode(module.role.policy).Statement : statement.Resource
      if contains(statement.Action, "s3:DeleteObject")
      ])) == toset([
      "arn:aws:s3:::totelake-test-ingested/tables/*/_temporary/*",
      "arn:aws:s3:::totelake-test-ingested/tables/*/__magic*",
      "arn:aws:s3:::totelake-test-artifacts/temporary/totelake-test-ingest/*",
    ])
    error_message = "Only temporary files can be deleted."
  }

  assert {
    condition = one([
      for statement in jsondecode(module.role.policy).Statement : statement.Resource
      if contains(statement.Action, "secretsmanager:GetSecretValue")
    ]) == ["arn:aws:secretsmanager:eu-west-2:123456789012:secret:totelake-test/totesys"]
    error_message = "The job reads only its own secret."
  }

  assert {
    condition = output.log_groups == {
      error  = "/aws-glue/jobs/totelake-test-role/totelake-test-ingest/error"
      output = "/aws-glue/jobs/totelake-test-role/totelake-test-ingest/output"
    }
    error_message = "Log group names contain security configuration and role, as in Glue."
  }

  assert {
    condition = alltrue([
      for kind, group in aws_cloudwatch_log_group.this : alltrue([
        group.name == output.log_groups[kind], group.retention_in_days == 365, group.kms_key_id == var.kms_key_arn,
      ])
    ]) && length(aws_cloudwatch_log_group.this) == 2
    error_message = "Both groups are created in advance, with a key and a retention."
  }

  assert {
    condition = [
      for statement in jsondecode(module.role.policy).Statement : statement.Resource if statement.Action == ["logs:AssociateKmsKey"]
    ] == [flatten([for name in ["output", "error"] : ["${local.logs}/${name}", "${local.logs}/${name}:*"]])]
    error_message = "Without AssociateKmsKey Glue writes no logs."
  }

  assert {
    condition = alltrue([
      for resource in flatten([
        for statement in jsondecode(module.role.policy).Statement : statement.Resource if contains(statement.Action, "logs:PutLogEvents")
      ]) : strcontains(resource, "log-group:/aws-glue/jobs/totelake-test-role/totelake-test-ingest/")
    ])
    error_message = "The job writes only to its own log groups."
  }

  assert {
    condition = one([
      for statement in jsondecode(module.role.policy).Statement : statement if statement.Sid == "AskWarehouse"
    ]).Condition == { StringEquals = { "redshift-data:statement-owner-iam-userid" = ["$${aws:userid}"] } }
    error_message = "Additional statements are included unchanged, with their conditions."
  }
}

run "job_uses_deployed_wheels_and_certificates" {
  module {
    source = "./modules/glue_job"
  }

  variables {
    python_modules = ["s3://totelake-test-artifacts/wheels/totelake-0.gluewheels.zip"]
    certificates   = "s3://totelake-test-artifacts/certificates/2/databases-ca.pem"
  }

  assert {
    condition = alltrue([
      aws_glue_job.this.default_arguments["--additional-python-modules"] == one(var.python_modules),
      aws_glue_job.this.default_arguments["--python-modules-installer-option"] == "--no-index",
      aws_glue_job.this.default_arguments["--extra-files"] == var.certificates,
    ])
    error_message = "pip uses no index, and the certificates are in the job's folder."
  }

  assert {
    condition = length(setsubtract(
      ["arn:aws:s3:::totelake-test-artifacts/wheels/*", "arn:aws:s3:::totelake-test-artifacts/certificates/*"],
      flatten([
        for statement in jsondecode(module.role.policy).Statement : statement.Resource
        if contains(statement.Action, "s3:GetObject")
      ]),
    )) == 0
    error_message = "Deployed artifacts are readable."
  }
}

run "job_without_wheels_and_certificates" {
  module {
    source = "./modules/glue_job"
  }

  assert {
    condition = length(setintersection(
      keys(aws_glue_job.this.default_arguments), ["--python-modules-installer-option", "--extra-files"]
    )) == 0
    error_message = "Arguments without a value are omitted."
  }

  assert {
    condition = alltrue([
      for statement in jsondecode(module.role.policy).Statement :
      !strcontains(jsonencode(statement.Resource), "wheels") && !strcontains(jsonencode(statement.Resource), "certificates")
    ])
    error_message = "No permissions on artifacts that are not deployed."
  }
}

run "job_publishes_no_metrics_of_glue_and_uses_glues_proxy" {
  module {
    source = "./modules/glue_job"
  }

  assert {
    condition = length(setintersection(
      keys(aws_glue_job.this.default_arguments), ["--enable-metrics", "--enable-observability-metrics", "--disable-proxy-v2"]
    )) == 0
    error_message = "Glue's metrics are billed for each run, and an argument can be enabled by its presence."
  }

  assert {
    condition     = strcontains(module.role.policy, "{\"StringEquals\":{\"cloudwatch:namespace\":[\"Totelake\"]}}")
    error_message = "The job may publish only the platform's metrics."
  }
}

run "job_with_metrics_of_glue_and_without_its_proxy" {
  module {
    source = "./modules/glue_job"
  }

  variables {
    glue_metrics  = true
    disable_proxy = true
  }

  assert {
    condition = [
      for name in ["--enable-metrics", "--enable-observability-metrics", "--disable-proxy-v2"] :
      aws_glue_job.this.default_arguments[name]
    ] == ["", "true", "true"]
    error_message = "Glue publishes its metrics, and the job calls AWS through the VPC."
  }

  assert {
    condition     = strcontains(module.role.policy, "{\"StringEquals\":{\"cloudwatch:namespace\":[\"Glue\",\"Totelake\"]}}")
    error_message = "The job's role publishes Glue's metrics."
  }
}

run "job_with_two_connections_reads_both_secrets" {
  module {
    source = "./modules/glue_job"
  }

  variables {
    connections = [for name in ["totesys", "warehouse"] : {
      name       = "totelake-test-${name}"
      arn        = "arn:aws:glue:eu-west-2:123456789012:connection/totelake-test-${name}"
      secret_arn = "arn:aws:secretsmanager:eu-west-2:123456789012:secret:totelake-test/${name}"
      placement  = null
    }]
  }

  assert {
    condition = one([
      for statement in jsondecode(module.role.policy).Statement : statement.Resource
      if contains(statement.Action, "secretsmanager:GetSecretValue")
    ]) == [for connection in var.connections : connection.secret_arn]
    error_message = "One statement has all connections."
  }

  assert {
    condition = (
      length(distinct(jsondecode(module.role.policy).Statement[*].Sid))
      == length(jsondecode(module.role.policy).Statement)
    )
    error_message = "Sids are unique, as IAM requires."
  }
}

run "job_with_additional_statements" {
  module {
    source = "./modules/glue_job"
  }

  variables {
    unregisters_in = ["totesys_processed"]
    statements = [
      { Sid = "Ask", Effect = "Allow", Action = ["glue:GetTables"], Resource = ["arn:aws:glue:eu-west-2:1:catalog"] },
    ]
  }

  assert {
    condition = strcontains(module.role.policy, jsonencode({
      Sid = "Ask", Effect = "Allow", Action = ["glue:GetTables"], Resource = ["arn:aws:glue:eu-west-2:1:catalog"]
    }))
    error_message = "A statement without a condition is included without one."
  }

  assert {
    condition = one([
      for statement in jsondecode(module.role.policy).Statement : statement.Resource
      if contains(statement.Action, "glue:BatchDeletePartition")
      ]) == [
      "arn:aws:glue:eu-west-2:123456789012:catalog",
      "arn:aws:glue:eu-west-2:123456789012:database/totesys_processed",
      "arn:aws:glue:eu-west-2:123456789012:table/totesys_processed/*",
    ]
    error_message = "Partitions can be deleted only in the given databases."
  }
}

run "job_without_connection_has_no_secret_and_network_permissions" {
  module {
    source = "./modules/glue_job"
  }

  variables {
    connections  = []
    writes       = []
    registers_in = []
    kms_key_arn  = null

    security_configuration = null
  }

  assert {
    condition = alltrue(flatten([
      for statement in jsondecode(module.role.policy).Statement : [
        for action in statement.Action : !contains(["secretsmanager", "ec2", "glue", "kms"], split(":", action)[0])
      ]
    ]))
    error_message = "The job has no permissions that it does not use."
  }

  assert {
    condition     = length(aws_glue_job.this.connections) == 0
    error_message = "The job is not in a VPC."
  }

  assert {
    condition     = output.log_groups.error == "/aws-glue/jobs/error" && length(aws_cloudwatch_log_group.this) == 0
    error_message = "Without a security configuration the log groups are shared by all jobs of the account."
  }
}

run "drift_check_only_reads_the_catalog" {
  module {
    source = "./modules/glue_job"
  }

  variables {
    connections  = []
    writes       = []
    registers_in = []

    security_configuration = null

    drift_check = {
      discovered = "discovered"
      declared   = "declared"
      crawler    = "arn:aws:glue:eu-west-2:123456789012:crawler/the-crawler"
    }
  }

  assert {
    condition = toset(flatten([
      for statement in jsondecode(module.role.policy).Statement : [
        for action in statement.Action : action if startswith(action, "glue:")
      ]
    ])) == toset(["glue:GetTables", "glue:GetPartitions", "glue:GetCrawler"])
    error_message = "The job only reads the catalog and the crawler."
  }

  assert {
    condition = toset(flatten([
      for statement in jsondecode(module.role.policy).Statement : [
        for resource in statement.Resource : resource if strcontains(resource, ":table/")
      ]
      ])) == toset([
      "arn:aws:glue:eu-west-2:123456789012:table/discovered/*", "arn:aws:glue:eu-west-2:123456789012:table/declared/*",
    ])
    error_message = "Partitions are readable in the two given databases only."
  }

  assert {
    condition = one([
      for statement in jsondecode(module.role.policy).Statement : statement.Resource
      if contains(statement.Action, "glue:GetCrawler")
    ]) == ["arn:aws:glue:eu-west-2:123456789012:crawler/the-crawler"]
    error_message = "Only the given crawler is readable."
  }
}

run "reserved_glue_arguments_are_refused" {
  command = plan

  module {
    source = "./modules/glue_job"
  }

  variables {
    arguments = { "--JOB_NAME" = "mine" }
  }

  expect_failures = [var.arguments]
}

run "job_accesses_run_properties_of_one_workflow" {
  module {
    source = "./modules/glue_job"
  }

  variables {
    run_properties = { writes = "arn:aws:glue:eu-west-2:123456789012:workflow/totelake-test" }
  }

  assert {
    condition = [
      for statement in jsondecode(module.role.policy).Statement : statement
      if anytrue([for action in statement.Action : strcontains(action, "WorkflowRun")])
      ] == [{
        Sid      = "PutRunProperties"
        Effect   = "Allow"
        Action   = ["glue:PutWorkflowRunProperties"]
        Resource = ["arn:aws:glue:eu-west-2:123456789012:workflow/totelake-test"]
    }]
    error_message = "A writing job cannot read run properties."
  }
}

mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  environment = "test"
  prefix      = "totelake-test"
  scripts     = "./tests/code"
  package     = "./tests/code/package.txt"
  wheels      = "./tests/code/example.gluewheels.zip"
  ssl_mode    = "require"
  queries     = "./tests/code/queries"
  totesys     = { host = "source.example.com", port = 5432, database = "totesys", username = "reader", password = "r" }
  warehouse   = { host = "warehouse.example.com", port = 5432, database = "warehouse", username = "owner", password = "w" }
}

run "resources_are_named_for_the_prefix" {
  assert {
    condition = output.jobs == {
      for stage in ["ingest", "transform", "load", "reconcile", "drift", "compact", "verify"] :
      stage => "totelake-test-${stage}"
    }
    error_message = "There is one job per stage."
  }

  assert {
    condition = [
      output.workflow, output.crawler, output.schedule, output.reconcile_schedule, output.compact_schedule,
      output.verify_schedule,
      ] == [
      "totelake-test", "totelake-test-ingested", "totelake-test-run", "totelake-test-reconcile-run",
      "totelake-test-compact-run", "totelake-test-verify-run",
    ]
    error_message = "Workflow, crawler and schedules have the prefix."
  }

  assert {
    condition     = [output.crawl, output.crawl_schedule] == ["totelake-test-crawl", "totelake-test-crawl-run"]
    error_message = "The crawler has its own workflow and schedule."
  }

  assert {
    condition     = output.connections == { totesys = "totelake-test-totesys", warehouse = "totelake-test-warehouse" }
    error_message = "There is a connection to each database."
  }

  assert {
    condition = (
      module.warehouse.arguments == { "--warehouse_connection" = "totelake-test-warehouse" }
      && length(module.warehouse.statements) + length(module.network) == 0 && module.totesys.grant.placement == null
    )
    error_message = "An existing warehouse has a connection and needs neither new resources nor a VPC."
  }

  assert {
    condition = output.databases == {
      ingested = "totesys_ingested", processed = "totesys_processed", discovered = "totesys_discovered"
    }
    error_message = "There is a catalog database for each zone, and one for discovered tables."
  }

  assert {
    condition = length(toset([
      module.ingest.role, module.transform.role, module.load.role, module.reconcile.role, module.drift.role,
      module.compact.role, module.verify.role,
    ])) == 7
    error_message = "Each job has its own role."
  }
  assert {
    condition = module.catalog.tables == {
      for zone, tables in jsondecode(file("tables.json")).tables : zone => sort(keys(tables))
    }
    error_message = "The catalog has the tables of tables.json."
  }

  assert {
    condition     = module.catalog.views == { processed = sort([for name in module.catalog.tables.processed : "current_${name}"]) }
    error_message = "Every star table has a view of its current state."
  }

  assert {
    condition     = length(module.catalog.tables.ingested) == 11 && length(module.catalog.tables.processed) == 11
    error_message = "Eleven source tables, eleven star tables."
  }
  assert {
    condition     = module.artifacts.package == "s3://totelake-test-artifacts/packages/totelake-${substr(filesha256("./tests/code/package.txt"), 0, 12)}.zip"
    error_message = "The package's key changes with its content."
  }
}

run "the_jobs_modules_come_from_the_artifacts_bucket" {
  assert {
    condition     = module.artifacts.wheels == "s3://totelake-test-artifacts/wheels/totelake-${substr(filesha256("./tests/code/example.gluewheels.zip"), 0, 12)}.gluewheels.zip"
    error_message = "The key of the zip of wheels changes with its content, and ends as Glue requires."
  }

  assert {
    condition     = module.artifacts.certificates == null
    error_message = "There are no certificates by default."
  }
}

run "trust_conditions_can_be_dropped_for_all_jobs" {
  variables {
    job_trust_conditions = false
  }

  assert {
    condition = alltrue([
      for trust in [
        module.ingest.trust, module.transform.trust, module.load.trust, module.reconcile.trust, module.drift.trust,
        module.compact.trust, module.verify.trust,
      ] : one(jsondecode(trust).Statement).Principal.Service == "glue.amazonaws.com" && !strcontains(trust, "Condition")
    ])
    error_message = "Every job's role trusts Glue without conditions, for a region where jobs do not send the keys."
  }
}

run "verify_full_requires_certificates" {
  command = plan

  variables {
    ssl_mode = "verify-full"
  }

  expect_failures = [var.ca_certificates]
}

run "missing_zip_of_wheels_is_refused" {
  command = plan

  variables {
    wheels = "./tests/code/missing.gluewheels.zip"
  }

  expect_failures = [var.wheels]
}

run "zip_that_glue_does_not_recognise_as_wheels_is_refused" {
  command = plan

  variables {
    wheels = "./tests/code/package.txt"
  }

  expect_failures = [var.wheels]
}

run "redshift_in_a_new_vpc" {
  variables {
    warehouse_kind  = "redshift"
    warehouse       = null
    network         = {}
    encrypt_catalog = true
    queries         = "../dashboards/queries"
  }

  assert {
    condition     = output.connections == { totesys = "totelake-test-totesys", warehouse = null }
    error_message = "Redshift needs no connection."
  }

  assert {
    condition     = module.network[0].services == tolist(["redshift-data", "secretsmanager"])
    error_message = "The VPC has an endpoint for each service that a job calls and that Glue's proxy does not serve."
  }

  assert {
    condition = toset(keys(module.warehouse.arguments)) == toset([
      "--redshift_workgroup", "--redshift_database", "--redshift_secret", "--redshift_copy_role",
    ])
    error_message = "The jobs have the arguments for Redshift's Data API."
  }

  assert {
    condition     = output.jobs.define == "totelake-test-define" && contains(keys(output.log_groups), "define")
    error_message = "A job defines a warehouse that is created here."
  }

  assert {
    condition     = contains(output.alarms, "totelake-test-rpu-hours")
    error_message = "The usage limit has an alarm."
  }

  assert {
    condition     = module.totesys.grant.placement.availability_zone == "eu-west-2a"
    error_message = "The source connection is in the VPC."
  }

  assert {
    condition     = module.athena.queries == sort([for file in fileset("../dashboards/queries", "**/*.sql") : replace(trimsuffix(file, ".sql"), "/", "_")])
    error_message = "The dashboard queries are named queries in Athena."
  }

  assert {
    condition     = output.log_groups.load.error == "/aws-glue/jobs/totelake-test-role/totelake-test-load/error"
    error_message = "Encrypted logs are in the log groups of the security configuration."
  }

  assert {
    condition     = module.catalog.encrypted
    error_message = "The catalog is encrypted if configured."
  }
}

run "invalid_prefix_is_refused" {
  command = plan

  variables {
    prefix = "Totelake"
  }

  expect_failures = [var.prefix]
}

run "new_vpc_without_glues_proxy" {
  command = plan

  variables {
    network = { disable_proxy = true }
  }

  assert {
    condition     = module.network[0].services == tolist(["glue", "monitoring", "secretsmanager"])
    error_message = "The VPC has an endpoint for each service that a job calls."
  }

  assert {
    condition = [
      for job in [module.ingest, module.transform, module.load, module.reconcile] : lookup(job.arguments, "--disable-proxy-v2", "")
    ] == ["true", "", "true", "true"]
    error_message = "The jobs with a connection do not use the proxy; the others are not in the VPC."
  }
}

run "existing_vpc_gets_no_endpoint_unless_asked_for" {
  command = plan

  variables {
    network = { vpc_id = "vpc-1", subnet_ids = ["subnet-1", "subnet-2"], disable_proxy = true }
  }

  assert {
    condition     = length(module.network[0].services) == 0
    error_message = "Interface endpoints would change how other workloads of the VPC reach AWS."
  }
}

run "existing_vpc_gets_the_endpoints_asked_for" {
  command = plan

  variables {
    network = { vpc_id = "vpc-1", subnet_ids = ["subnet-1", "subnet-2"], services = ["secretsmanager"] }
  }

  assert {
    condition     = module.network[0].services == tolist(["secretsmanager"])
    error_message = "The given services have endpoints."
  }
}

mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  environment = "test"
  prefix      = "totelake-test"
  scripts     = "./tests/code"
  package     = "./tests/code/package.txt"
  wheels      = "./tests/code/wheels"
  ssl_mode    = "require"
  queries     = "./tests/code/queries"
  totesys     = { host = "source.example.com", port = 5432, database = "totesys", username = "reader", password = "r" }
  warehouse   = { host = "warehouse.example.com", port = 5432, database = "warehouse", username = "owner", password = "w" }
}

run "everything_is_there_under_its_name" {
  assert {
    condition = output.jobs == {
      for stage in ["ingest", "transform", "load", "reconcile", "drift"] : stage => "totelake-test-${stage}"
    }
    error_message = "One job for each stage."
  }

  assert {
    condition = [output.workflow, output.crawler, output.schedule, output.reconcile_schedule] == [
      "totelake-test", "totelake-test-ingested", "totelake-test-run", "totelake-test-reconcile-run",
    ]
    error_message = "Workflow, crawler and schedules are named for the prefix."
  }

  assert {
    condition     = [output.crawl, output.crawl_schedule] == ["totelake-test-crawl", "totelake-test-crawl-run"]
    error_message = "The crawler has a workflow and a schedule of its own."
  }

  assert {
    condition     = output.connections == { totesys = "totelake-test-totesys", warehouse = "totelake-test-warehouse" }
    error_message = "A connection to each database."
  }

  assert {
    condition = (
      module.warehouse.arguments == { "--warehouse_connection" = "totelake-test-warehouse" }
      && length(module.warehouse.statements) + length(module.network) == 0 && module.totesys.grant.placement == null
    )
    error_message = "A warehouse that is there is reached by its connection; nothing is made for it, and no VPC is needed."
  }

  assert {
    condition = output.databases == {
      ingested = "totesys_ingested", processed = "totesys_processed", discovered = "totesys_discovered"
    }
    error_message = "A catalog database for each zone, and one for what the crawler finds."
  }

  assert {
    condition = length(toset([
      module.ingest.role, module.transform.role, module.load.role, module.reconcile.role, module.drift.role,
    ])) == 5
    error_message = "Each job has a role of its own."
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
    condition = module.artifacts.wheels == tolist([
      "s3://totelake-test-artifacts/wheels/${substr(filesha256("./tests/code/wheels/example-1.0-py3-none-any.whl"), 0, 12)}/example-1.0-py3-none-any.whl"
    ])
    error_message = "A wheel keeps its file name, which pip reads, under a folder that changes with its content."
  }

  assert {
    condition     = module.artifacts.certificates == null
    error_message = "No certificates were named."
  }
}

run "verify_full_asks_for_the_certificates" {
  command = plan

  variables {
    ssl_mode = "verify-full"
  }

  expect_failures = [var.ca_certificates]
}

run "a_folder_without_wheels_is_refused" {
  command = plan

  variables {
    wheels = "./tests/code"
  }

  expect_failures = [var.wheels]
}

run "with_redshift_and_a_vpc_of_its_own_the_jobs_are_told_where_everything_is" {
  variables {
    warehouse_kind  = "redshift"
    warehouse       = null
    network         = {}
    encrypt_catalog = true
    queries         = "../dashboards/queries"
  }

  assert {
    condition     = output.connections == { totesys = "totelake-test-totesys", warehouse = null }
    error_message = "Redshift is reached without a connection."
  }

  assert {
    condition     = module.network[0].services == tolist(["glue", "kms", "logs", "monitoring", "redshift-data", "secretsmanager", "sts"])
    error_message = "The VPC has an endpoint for each service that a job asks, Redshift's Data API among them."
  }

  assert {
    condition = toset(keys(module.warehouse.arguments)) == toset([
      "--redshift_workgroup", "--redshift_database", "--redshift_secret", "--redshift_copy_role",
    ])
    error_message = "The jobs get what Redshift's Data API wants."
  }

  assert {
    condition     = module.totesys.grant.placement.availability_zone == "eu-west-2a"
    error_message = "The source is reached from the VPC."
  }

  assert {
    condition     = module.athena.queries == sort([for file in fileset("../dashboards/queries", "**/*.sql") : replace(trimsuffix(file, ".sql"), "/", "_")])
    error_message = "Athena keeps the queries of the dashboards."
  }

  assert {
    condition     = output.log_groups.load.error == "/aws-glue/jobs/totelake-test-role/totelake-test-load/error"
    error_message = "Logs are encrypted, and so in groups of the security configuration."
  }

  assert {
    condition     = module.catalog.encrypted
    error_message = "The catalog is encrypted where that is wanted."
  }
}

run "a_prefix_that_is_no_bucket_name_is_refused" {
  command = plan

  variables {
    prefix = "Totelake"
  }

  expect_failures = [var.prefix]
}

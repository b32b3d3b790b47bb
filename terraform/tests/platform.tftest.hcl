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

run "a_prefix_that_is_no_bucket_name_is_refused" {
  command = plan

  variables {
    prefix = "Totelake"
  }

  expect_failures = [var.prefix]
}

mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  name = "totelake-test-ingested"
  settings = {
    path             = "tables/"
    exclusions       = ["*/batch_id=*-compacted/**"]
    table_level      = 3
    recrawl_behavior = "CRAWL_NEW_FOLDERS_ONLY"
    update_behavior  = "LOG"
    delete_behavior  = "LOG"
  }
  bucket   = "totelake-test-ingested"
  database = "totesys_discovered"

  security_configuration = "totelake-test"
}

run "crawler_only_records_discovered_tables" {
  module {
    source = "./modules/crawler"
  }

  assert {
    condition     = aws_glue_crawler.this.s3_target[0].path == "s3://totelake-test-ingested/tables/"
    error_message = "The crawler reads the tables folder, not the log."
  }

  assert {
    condition     = aws_glue_crawler.this.s3_target[0].exclusions == tolist(["*/batch_id=*-compacted/**"])
    error_message = "The crawler does not read compacted files."
  }

  assert {
    condition = [
      aws_glue_crawler.this.recrawl_policy[0].recrawl_behavior,
      aws_glue_crawler.this.schema_change_policy[0].update_behavior,
      aws_glue_crawler.this.schema_change_policy[0].delete_behavior,
    ] == ["CRAWL_NEW_FOLDERS_ONLY", "LOG", "LOG"]
    error_message = "New folders only, which Glue allows only with LOG."
  }

  assert {
    condition     = jsondecode(aws_glue_crawler.this.configuration).Grouping.TableLevelConfiguration == 3
    error_message = "Tables are at the third level: bucket, tables, name."
  }

  assert {
    condition = alltrue([
      for statement in jsondecode(module.role.policy).Statement : !contains(statement.Resource, "*") || can(statement.Condition)
    ])
    error_message = "The role names its resources; actions without resource-level permissions have a condition."
  }

  assert {
    condition = toset(flatten([
      for statement in jsondecode(module.role.policy).Statement : [
        for resource in statement.Resource : resource if strcontains(resource, ":table/")
      ]
    ])) == toset(["arn:aws:glue:eu-west-2:123456789012:table/totesys_discovered/*"])
    error_message = "The crawler cannot write declared tables."
  }

  assert {
    condition = length([
      for statement in jsondecode(module.role.policy).Statement : statement
      if contains(statement.Action, "s3:PutObject")
    ]) == 0
    error_message = "The crawler cannot write objects."
  }

  assert {
    condition = [output.log_group, aws_cloudwatch_log_group.this[0].name, aws_glue_crawler.this.security_configuration] == [
      "/aws-glue/crawlers-role/totelake-test-ingested-crawler-totelake-test",
      "/aws-glue/crawlers-role/totelake-test-ingested-crawler-totelake-test", "totelake-test",
    ]
    error_message = "The log group exists in advance, under the name that Glue derives from role and security configuration."
  }
}

run "new_folders_only_forbids_updates" {
  command = plan

  module {
    source = "./modules/crawler"
  }

  variables {
    settings = {
      path             = "tables/"
      table_level      = 3
      recrawl_behavior = "CRAWL_NEW_FOLDERS_ONLY"
      update_behavior  = "UPDATE_IN_DATABASE"
      delete_behavior  = "LOG"
    }
  }

  expect_failures = [var.settings]
}

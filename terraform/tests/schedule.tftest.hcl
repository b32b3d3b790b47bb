mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  target = {
    kind = "workflow"
    name = "totelake-test"
    arn  = "arn:aws:glue:eu-west-2:123456789012:workflow/totelake-test"
  }
  expression = "rate(15 minutes)"
  timezone   = "Europe/London"
  enabled    = true

  kms_key_arn = "arn:aws:kms:eu-west-2:123456789012:key/mock"
}

run "the_schedule_starts_the_workflow_with_its_logical_date" {
  module {
    source = "./modules/schedule"
  }

  assert {
    condition     = aws_scheduler_schedule.this.target[0].arn == "arn:aws:scheduler:::aws-sdk:glue:startWorkflowRun"
    error_message = "The target is Glue's StartWorkflowRun."
  }

  assert {
    condition     = aws_scheduler_schedule.this.target[0].input == "{\"Name\":\"totelake-test\",\"RunProperties\":{\"logical_date\":\"<aws.scheduler.scheduled-time>\"}}"
    error_message = "Scheduler's keyword stands in the input unescaped."
  }

  assert {
    condition     = aws_scheduler_schedule.this.state == "ENABLED" && aws_scheduler_schedule.this.name == "totelake-test-run"
    error_message = "The schedule fires when it is enabled."
  }

  assert {
    condition = jsondecode(module.role.policy).Statement[*].Action == [
      ["glue:StartWorkflowRun"], ["sqs:SendMessage"], ["kms:Decrypt"], ["kms:Decrypt", "kms:GenerateDataKey"],
    ]
    error_message = "The role starts the workflow and keeps what was missed, and does nothing else."
  }

  assert {
    condition     = aws_scheduler_schedule.this.kms_key_arn == var.kms_key_arn && aws_sqs_queue.missed[0].kms_master_key_id == var.kms_key_arn
    error_message = "The key encrypts the schedule and the queue."
  }

  assert {
    condition = jsondecode(module.role.policy).Statement[2].Condition == {
      StringEquals = {
        "kms:EncryptionContext:aws:scheduler:schedule:arn" = ["arn:aws:scheduler:eu-west-2:123456789012:schedule/default/totelake-test-run"]
      }
    }
    error_message = "The role reads its own schedule and no other."
  }

  assert {
    condition     = jsondecode(module.role.policy).Statement[0].Resource == [var.target.arn]
    error_message = "The role starts this workflow and no other."
  }

  assert {
    condition     = jsondecode(module.role.trust).Statement[0].Condition.StringEquals["aws:SourceAccount"] == "123456789012"
    error_message = "Only Scheduler in this account takes the role."
  }
}

run "a_job_is_started_by_its_name" {
  module {
    source = "./modules/schedule"
  }

  variables {
    target = {
      kind = "job"
      name = "totelake-test-reconcile"
      arn  = "arn:aws:glue:eu-west-2:123456789012:job/totelake-test-reconcile"
    }
  }

  assert {
    condition = [aws_scheduler_schedule.this.target[0].arn, aws_scheduler_schedule.this.target[0].input] == [
      "arn:aws:scheduler:::aws-sdk:glue:startJobRun", "{\"JobName\":\"totelake-test-reconcile\"}",
    ]
    error_message = "The target is Glue's StartJobRun."
  }

  assert {
    condition = jsondecode(module.role.policy).Statement[0] == {
      Sid = "StartTarget", Effect = "Allow", Action = ["glue:StartJobRun"], Resource = [var.target.arn]
    }
    error_message = "The role starts this job and no other."
  }

  assert {
    condition     = aws_scheduler_schedule.this.name == "totelake-test-reconcile-run"
    error_message = "The schedule is named for what it starts, and not like it: the job's own role has that name."
  }
}

run "what_is_neither_workflow_nor_job_is_refused" {
  command = plan

  module {
    source = "./modules/schedule"
  }

  variables {
    target = { kind = "crawler", name = "totelake-test-ingested", arn = "arn:aws:glue:eu-west-2:123456789012:crawler/x" }
  }

  expect_failures = [var.target]
}

run "a_disabled_schedule_does_not_fire_and_needs_no_queue" {
  module {
    source = "./modules/schedule"
  }

  variables {
    enabled     = false
    keep_missed = false
  }

  assert {
    condition     = aws_scheduler_schedule.this.state == "DISABLED" && length(aws_sqs_queue.missed) == 0
    error_message = "Disabled, and without a dead-letter queue."
  }

  assert {
    condition     = jsondecode(module.role.policy).Statement[*].Action == [["glue:StartWorkflowRun"], ["kms:Decrypt"]]
    error_message = "Without a queue there is nothing to be granted on it."
  }
}

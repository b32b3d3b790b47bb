mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  target = {
    kind = "workflow"
    name = "totelake-test"
    arn  = "arn:aws:glue:eu-west-2:123456789012:workflow/totelake-test"
  }
  expression = "cron(0/15 * * * ? *)"
  timezone   = "Europe/London"
  enabled    = true

  kms_key_arn = "arn:aws:kms:eu-west-2:123456789012:key/mock"
}

run "schedule_starts_the_workflow_with_its_logical_date" {
  module {
    source = "./modules/schedule"
  }

  assert {
    condition     = aws_scheduler_schedule.this.target[0].arn == "arn:aws:scheduler:::aws-sdk:glue:startWorkflowRun"
    error_message = "The target is Glue's StartWorkflowRun."
  }

  assert {
    condition     = aws_scheduler_schedule.this.target[0].input == "{\"Name\":\"totelake-test\",\"RunProperties\":{\"logical_date\":\"<aws.scheduler.scheduled-time>\"}}"
    error_message = "The context keyword is in the input unescaped."
  }

  assert {
    condition     = aws_scheduler_schedule.this.state == "ENABLED" && aws_scheduler_schedule.this.name == "totelake-test-run"
    error_message = "The schedule is enabled."
  }

  assert {
    condition = jsondecode(module.role.policy).Statement[*].Action == [
      ["glue:StartWorkflowRun"], ["sqs:SendMessage"], ["kms:Decrypt"], ["kms:Decrypt", "kms:GenerateDataKey"],
    ]
    error_message = "The role may only start the workflow and send to the dead-letter queue."
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
    error_message = "The role may decrypt its own schedule only."
  }

  assert {
    condition     = jsondecode(module.role.policy).Statement[0].Resource == [var.target.arn]
    error_message = "The role may start this workflow only."
  }

  assert {
    condition     = jsondecode(module.role.trust).Statement[0].Condition.StringEquals["aws:SourceAccount"] == "123456789012"
    error_message = "Only Scheduler in this account may assume the role."
  }
}

run "schedule_starts_a_job" {
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
    error_message = "The role may start this job only."
  }

  assert {
    condition     = aws_scheduler_schedule.this.name == "totelake-test-reconcile-run"
    error_message = "The schedule's name differs from the target's: the job's own role has that name."
  }
}

run "other_target_kinds_are_refused" {
  command = plan

  module {
    source = "./modules/schedule"
  }

  variables {
    target = { kind = "crawler", name = "totelake-test-ingested", arn = "arn:aws:glue:eu-west-2:123456789012:crawler/x" }
  }

  expect_failures = [var.target]
}

run "rates_are_refused" {
  command = plan

  module {
    source = "./modules/schedule"
  }

  variables {
    expression = "rate(15 minutes)"
  }

  expect_failures = [var.expression]
}

run "disabled_schedule_without_queue" {
  module {
    source = "./modules/schedule"
  }

  variables {
    enabled     = false
    keep_missed = false
  }

  assert {
    condition     = aws_scheduler_schedule.this.state == "DISABLED" && length(aws_sqs_queue.missed) == 0
    error_message = "The schedule is disabled and has no dead-letter queue."
  }

  assert {
    condition     = jsondecode(module.role.policy).Statement[*].Action == [["glue:StartWorkflowRun"], ["kms:Decrypt"]]
    error_message = "Without a queue there is no permission for it."
  }
}

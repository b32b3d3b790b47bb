mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  repository   = "someone/totelake"
  environment  = "dev"
  prefix       = "totelake-test"
  state_arn    = "arn:aws:s3:::totelake-test-state"
  boundary_arn = "arn:aws:iam::123456789012:policy/totelake-test-boundary"
}

run "role_trusts_one_environment_of_one_repository" {
  module {
    source = "./modules/github"
  }

  assert {
    condition = {
      for name, role in aws_iam_role.this : name => jsondecode(role.assume_role_policy).Statement[0].Condition.StringEquals
      } == {
      deploy = {
        "token.actions.githubusercontent.com:aud" = "sts.amazonaws.com"
        "token.actions.githubusercontent.com:sub" = ["repo:someone/totelake:environment:dev"]
      }
      plan = {
        "token.actions.githubusercontent.com:aud" = "sts.amazonaws.com"
        "token.actions.githubusercontent.com:sub" = ["repo:someone/totelake:environment:dev-plan"]
      }
    }
    error_message = "Repository and environment are compared exactly, not as a pattern."
  }
}

run "ids_of_owner_and_repository_admit_both_forms_of_the_subject" {
  module {
    source = "./modules/github"
  }

  variables {
    repository = "someone@12/totelake@345"
  }

  assert {
    condition = (
      jsondecode(aws_iam_role.this["deploy"].assume_role_policy).Statement[0].Condition.StringEquals["token.actions.githubusercontent.com:sub"]
      == ["repo:someone@12/totelake@345:environment:dev", "repo:someone/totelake:environment:dev"]
    )
    error_message = "GitHub's tokens have the ids if the repository is newer than July 2026."
  }
}

run "plan_role_writes_only_the_lock" {
  module {
    source = "./modules/github"
  }

  assert {
    condition = alltrue(flatten([
      for policy in [aws_iam_role_policy.state["plan"], aws_iam_role_policy.plan] : [
        for statement in jsondecode(policy.policy).Statement : [
          for action in statement.Action :
          length(regexall(":(Get|List|Describe)", action)) > 0 || statement.Resource == ["${var.state_arn}/totelake.tfstate.tflock"]
        ]
      ]
    ]))
    error_message = "The plan role only reads and acquires the lock."
  }

  assert {
    condition = alltrue([
      for action in ["secretsmanager:", "s3:", "athena:", "glue:"] : !strcontains(aws_iam_role_policy.plan.policy, action)
    ])
    error_message = "The plan role reads neither secrets nor data, nor the results of queries."
  }
}

run "deploy_role_is_limited_to_the_environment" {
  module {
    source = "./modules/github"
  }

  assert {
    condition = alltrue(flatten([
      for policy in aws_iam_policy.deploy : [
        for statement in jsondecode(policy.policy).Statement :
        statement.Effect == "Deny" || statement.Resource != ["*"] || can(statement.Condition) || statement.Sid == "ReadConfiguration"
      ]
    ]))
    error_message = "Actions on unnamed resources are limited to the region."
  }

  assert {
    condition     = alltrue([for policy in aws_iam_policy.deploy : length(policy.policy) <= 6144]) && length(aws_iam_policy.deploy) <= 10
    error_message = "IAM limits a managed policy to 6,144 characters, and a role to ten of them."
  }
}

run "repository_pattern_is_refused" {
  command = plan

  module {
    source = "./modules/github"
  }

  variables {
    repository = "someone/*"
  }

  expect_failures = [var.repository]
}

run "network_pattern_is_refused" {
  command = plan

  module {
    source = "./modules/github"
  }

  variables {
    network_resources = ["vpc/*"]
  }

  expect_failures = [var.network_resources]
}

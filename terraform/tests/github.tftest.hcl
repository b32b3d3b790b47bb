mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  repository  = "someone/totelake"
  environment = "dev"
  prefix      = "totelake-test"
  state_arn   = "arn:aws:s3:::totelake-test-state"
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
        "token.actions.githubusercontent.com:sub" = "repo:someone/totelake:environment:dev"
      }
      plan = {
        "token.actions.githubusercontent.com:aud" = "sts.amazonaws.com"
        "token.actions.githubusercontent.com:sub" = "repo:someone/totelake:environment:dev-plan"
      }
    }
    error_message = "Repository and environment are compared exactly, not as a pattern."
  }
}

run "plan_role_writes_only_the_lock" {
  module {
    source = "./modules/github"
  }

  assert {
    condition = alltrue(flatten([
      for policy in [aws_iam_role_policy.state["plan"], aws_iam_role_policy.read["plan"]] : [
        for statement in jsondecode(policy.policy).Statement : [
          for action in statement.Action :
          length(regexall(":(Get|List|Describe|View)", action)) > 0 || statement.Resource == ["${var.state_arn}/totelake.tfstate.tflock"]
        ]
      ]
    ]))
    error_message = "The plan role only reads and acquires the lock."
  }

  assert {
    condition     = !strcontains(aws_iam_role_policy.read["plan"].policy, "secretsmanager:GetSecretValue")
    error_message = "The plan role cannot read secrets."
  }
}

run "deploy_role_is_limited_to_the_prefix" {
  module {
    source = "./modules/github"
  }

  assert {
    condition = alltrue([
      for statement in jsondecode(aws_iam_role_policy.deploy.policy).Statement :
      statement.Effect == "Deny" || statement.Resource != ["*"] || can(statement.Condition)
    ])
    error_message = "Actions on unnamed resources are limited to the region."
  }

  assert {
    condition = one([
      for statement in jsondecode(aws_iam_role_policy.deploy.policy).Statement : statement.Resource
      if statement.Sid == "DenyOwnRoleChanges" && statement.Effect == "Deny"
    ]) == ["arn:aws:iam::123456789012:role/totelake-test-github-*"]
    error_message = "The deploy role cannot change its own permissions."
  }

  assert {
    condition     = length(aws_iam_role_policy.deploy.policy) + length(aws_iam_role_policy.read["deploy"].policy) + length(aws_iam_role_policy.state["deploy"].policy) < 10240
    error_message = "IAM limits a role's inline policies to 10,240 characters."
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

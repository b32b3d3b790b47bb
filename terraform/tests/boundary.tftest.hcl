mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  prefix = "totelake-test"
}

run "boundary_excludes_identities_and_resources_of_others" {
  module {
    source = "./modules/boundary"
  }

  assert {
    condition = alltrue(flatten([
      for statement in jsondecode(aws_iam_policy.this.policy).Statement : [
        for action in statement.Action : !strcontains(action, "*") && !contains(["iam", "sts", "organizations"], split(":", action)[0])
      ]
    ]))
    error_message = "A role of the environment can neither change identities nor assume one."
  }

  assert {
    condition     = length(aws_iam_policy.this.policy) <= 6144
    error_message = "IAM limits a managed policy to 6,144 characters."
  }
}

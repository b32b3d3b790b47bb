mock_provider "aws" {
  source = "./tests/mocks"
}

run "role_trusts_one_service_for_one_kind_of_resource" {
  module {
    source = "./modules/role"
  }

  variables {
    name        = "totelake-test-ingest"
    description = "What the job may do."
    service     = "glue.amazonaws.com"
    source_arn  = "arn:aws:glue:eu-west-2:123456789012:*"
    policy      = "{\"Version\":\"2012-10-17\",\"Statement\":[]}"
  }

  assert {
    condition = jsondecode(output.trust).Statement == [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = "glue.amazonaws.com" }
      Condition = {
        StringEquals = { "aws:SourceAccount" = "123456789012" }
        ArnLike      = { "aws:SourceArn" = "arn:aws:glue:eu-west-2:123456789012:*" }
      }
    }]
    error_message = "Only the service may assume the role, for resources of this account."
  }

  assert {
    condition     = aws_iam_role_policy.this.policy == var.policy && aws_iam_role_policy.this.role == aws_iam_role.this.id
    error_message = "The role has the given policy."
  }
}

run "role_without_a_source_trusts_the_service_for_any_resource" {
  module {
    source = "./modules/role"
  }

  variables {
    name        = "totelake-test-ingest"
    description = "What the job may do."
    service     = "glue.amazonaws.com"
    source_arn  = null
    policy      = "{\"Version\":\"2012-10-17\",\"Statement\":[]}"
  }

  assert {
    condition = jsondecode(output.trust).Statement == [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = "glue.amazonaws.com" }
    }]
    error_message = "The statement has no condition, not an empty one, which IAM rejects."
  }
}

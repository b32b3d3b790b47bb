mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  prefix = "totelake-test"
}

run "key_is_limited_to_this_account" {
  module {
    source = "./modules/key"
  }

  assert {
    condition     = aws_kms_key.this.enable_key_rotation && aws_kms_key.this.deletion_window_in_days == 30
    error_message = "The key is rotated yearly, and a deleted key can be restored for a month."
  }

  assert {
    condition = alltrue([
      for statement in jsondecode(aws_kms_key.this.policy).Statement :
      statement.Principal == { AWS = "arn:aws:iam::123456789012:root" } || can(statement.Condition)
    ])
    error_message = "IAM policies of the account grant access; services may use the key only for this account."
  }

  assert {
    condition     = !strcontains(aws_kms_key.this.policy, "events.amazonaws.com")
    error_message = "EventBridge supports no Condition in a key's policy, so it uses the key with a role."
  }
}

run "glue_encrypts_what_it_writes" {
  module {
    source = "./modules/security_configuration"
  }

  variables {
    name        = "totelake-test"
    kms_key_arn = "arn:aws:kms:eu-west-2:123456789012:key/mock"
  }

  assert {
    condition = alltrue([
      for encryption in aws_glue_security_configuration.this.encryption_configuration : [
        encryption.cloudwatch_encryption[0].cloudwatch_encryption_mode,
        encryption.job_bookmarks_encryption[0].job_bookmarks_encryption_mode,
        encryption.s3_encryption[0].s3_encryption_mode,
      ] == ["SSE-KMS", "CSE-KMS", "SSE-KMS"]
    ])
    error_message = "Glue's logs, bookmarks and files are encrypted."
  }
}

mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  prefix = "totelake-test"
}

run "the_key_is_used_by_whom_this_account_lets" {
  module {
    source = "./modules/key"
  }

  assert {
    condition     = aws_kms_key.this.enable_key_rotation && aws_kms_key.this.deletion_window_in_days == 30
    error_message = "The key is changed every year, and can be had back for a month."
  }

  assert {
    condition = alltrue([
      for statement in jsondecode(aws_kms_key.this.policy).Statement :
      statement.Principal == { AWS = "arn:aws:iam::123456789012:root" } || can(statement.Condition)
    ])
    error_message = "The account decides by IAM; a service uses the key only for this account."
  }

  assert {
    condition = alltrue([
      for encryption in aws_glue_security_configuration.this.encryption_configuration : [
        encryption.cloudwatch_encryption[0].cloudwatch_encryption_mode,
        encryption.job_bookmarks_encryption[0].job_bookmarks_encryption_mode,
        encryption.s3_encryption[0].s3_encryption_mode,
      ] == ["SSE-KMS", "CSE-KMS", "SSE-KMS"]
    ])
    error_message = "Logs, bookmarks and files of Glue are encrypted."
  }
}

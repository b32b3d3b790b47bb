mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  name = "totelake-test-state"
}

run "state_bucket_is_protected" {
  command = plan # prevent_destroy would keep the test from cleaning up

  module {
    source = "./modules/state"
  }

  assert {
    condition = alltrue([
      aws_s3_bucket.this.bucket == "totelake-test-state",
      aws_s3_bucket_versioning.this.versioning_configuration[0].status == "Enabled",
      one(aws_s3_bucket_server_side_encryption_configuration.this.rule).apply_server_side_encryption_by_default[0].sse_algorithm == "aws:kms",
      aws_s3_bucket_public_access_block.this.block_public_policy, aws_s3_bucket_public_access_block.this.restrict_public_buckets,
    ])
    error_message = "The state is versioned, encrypted and private."
  }

  assert {
    condition = {
      for statement in jsondecode(aws_s3_bucket_policy.this.policy).Statement : statement.Sid => statement.Effect
    } == { DenyInsecureTransport = "Deny", DenyDeletion = "Deny" }
    error_message = "The bucket requires TLS, and deletion of the bucket and of versions is denied."
  }
}

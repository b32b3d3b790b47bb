mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  prefix         = "totelake-test"
  retention_days = 30
  kms_key_arn    = "arn:aws:kms:eu-west-2:123456789012:key/mock"
}

run "buckets_are_protected" {
  module {
    source = "./modules/lake"
  }

  assert {
    condition     = output.buckets == { for key in ["ingested", "processed", "artifacts"] : key => "totelake-test-${key}" }
    error_message = "There are three buckets, named for their content."
  }

  assert {
    condition = alltrue([for block in aws_s3_bucket_public_access_block.this : alltrue([
      block.block_public_acls, block.block_public_policy, block.ignore_public_acls, block.restrict_public_buckets,
    ])])
    error_message = "No bucket can be made public."
  }

  assert {
    condition     = alltrue([for versioning in aws_s3_bucket_versioning.this : versioning.versioning_configuration[0].status == "Enabled"])
    error_message = "Versioning is enabled on every bucket."
  }

  assert {
    condition = {
      for key, encryption in aws_s3_bucket_server_side_encryption_configuration.this :
      key => one(one(encryption.rule).apply_server_side_encryption_by_default).sse_algorithm
    } == { ingested = "aws:kms", processed = "aws:kms", artifacts = "aws:kms", access-logs = "AES256" }
    error_message = "The given key encrypts every bucket except the access log bucket, for which S3 does not support it."
  }

  assert {
    condition = alltrue([
      for policy in aws_s3_bucket_policy.this : one([
        for statement in jsondecode(policy.policy).Statement : statement if statement.Sid == "DenyInsecureTransport"
      ]).Condition == { Bool = { "aws:SecureTransport" = "false" } }
    ])
    error_message = "Every bucket requires TLS."
  }

  assert {
    condition = alltrue([for zone in ["ingested", "processed"] : one([
      for statement in jsondecode(aws_s3_bucket_policy.this[zone].policy).Statement : statement
      if jsonencode([statement.Effect, statement.Action, statement.Resource]) == jsonencode([
        "Deny", "s3:PutObject", [for key in ["log/*", "checkpoints/*"] : "${aws_s3_bucket.this[zone].arn}/${key}"],
      ])
      ]).Condition == {
      Null = { "s3:if-none-match" = "true" }
      Bool = { "s3:ObjectCreationOperation" = "true" }
    }])
    error_message = "Both zones refuse a PUT of a commit record or a checkpoint without If-None-Match."
  }

  assert {
    condition     = length(jsondecode(aws_s3_bucket_policy.this["artifacts"].policy).Statement) == 1
    error_message = "The artifacts bucket has no commit records."
  }

  assert {
    condition = alltrue([for zone in ["ingested", "processed"] : one([
      for statement in jsondecode(aws_s3_bucket_policy.this[zone].policy).Statement :
      [statement.Effect, statement.Principal, statement.Action, can(statement.Condition)]
      if statement.Sid == "DenyDeletionOfVersions"
    ]) == ["Deny", "*", ["s3:BypassGovernanceRetention", "s3:DeleteObjectVersion"], false]])
    error_message = "Versions in either zone cannot be deleted."
  }

  assert {
    condition = { for key, logging in aws_s3_bucket_logging.this : key => [logging.target_bucket, logging.target_prefix] } == {
      for key in ["ingested", "processed", "artifacts"] : key => ["totelake-test-access-logs", "${key}/"]
    }
    error_message = "Access is logged to a separate bucket."
  }

  assert {
    condition = one([
      for statement in jsondecode(aws_s3_bucket_policy.this["access-logs"].policy).Statement : statement
      if statement.Effect == "Allow"
    ]).Condition.StringEquals == { "aws:SourceAccount" = "123456789012" }
    error_message = "Only S3 may deliver logs, for buckets of this account."
  }

  assert {
    condition = {
      for key, lifecycle in aws_s3_bucket_lifecycle_configuration.this : key => [for rule in lifecycle.rule : rule.id]
      } == {
      ingested    = ["expire-incomplete-uploads-and-old-versions"]
      processed   = ["expire-incomplete-uploads-and-old-versions"]
      artifacts   = ["expire-incomplete-uploads-and-old-versions", "expire-athena", "expire-temporary"]
      access-logs = ["expire-incomplete-uploads-and-old-versions", "expire-artifacts", "expire-ingested", "expire-processed"]
    }
    error_message = "Committed files never expire; temporary files and access logs do."
  }

  assert {
    condition     = keys(aws_s3_bucket_object_lock_configuration.this) == ["ingested", "processed"]
    error_message = "Object Lock is enabled on the two zones only."
  }

  assert {
    condition = alltrue([
      for lock in aws_s3_bucket_object_lock_configuration.this :
      lock.rule[0].default_retention[0].mode == "GOVERNANCE" && lock.rule[0].default_retention[0].days == 30
    ])
    error_message = "Retention mode is GOVERNANCE, for the given number of days."
  }
}

run "local_lake_has_neither_retention_nor_lifecycle" {
  module {
    source = "./modules/lake"
  }

  variables {
    retention_days  = 0
    lifecycle_rules = false
    kms_key_arn     = null
  }

  assert {
    condition     = length(aws_s3_bucket_object_lock_configuration.this) + length(aws_s3_bucket_lifecycle_configuration.this) == 0
    error_message = "There are no locks and no lifecycle rules."
  }

  assert {
    condition = alltrue([
      for encryption in aws_s3_bucket_server_side_encryption_configuration.this :
      one(one(encryption.rule).apply_server_side_encryption_by_default).sse_algorithm == "AES256"
    ])
    error_message = "Without a key the buckets use SSE-S3."
  }
}

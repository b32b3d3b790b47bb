data "aws_caller_identity" "current" {}

locals {
  # Zone buckets are write-once; those of artifacts and access logs are not.
  zones        = toset(["ingested", "processed"])
  data_buckets = setunion(local.zones, ["artifacts"])
  buckets      = setunion(local.data_buckets, ["access-logs"])

  # S3 delivers access logs only to buckets encrypted with SSE-S3.
  keys = { for key in local.buckets : key => key == "access-logs" ? null : var.kms_key_arn }

  # Expiration in days, by bucket and prefix.
  expiration_days = {
    artifacts   = { temporary = 7, athena = 30 }
    access-logs = { for key in local.data_buckets : key => var.access_log_days }
  }
}

resource "aws_s3_bucket" "this" {
  #checkov:skip=CKV_AWS_144: Rows can be ingested again from totesys and batches rebuilt; replication to a second region would only double the cost.
  #checkov:skip=CKV2_AWS_62: Nothing reacts to object events: stages read the commit log, and workflow triggers start them.
  for_each = local.buckets

  bucket              = "${var.prefix}-${each.key}"
  force_destroy       = var.force_destroy
  object_lock_enabled = contains(local.zones, each.key)
}

resource "aws_s3_bucket_ownership_controls" "this" {
  for_each = aws_s3_bucket.this

  bucket = each.value.bucket

  rule {
    object_ownership = "BucketOwnerEnforced"
  }
}

resource "aws_s3_bucket_public_access_block" "this" {
  for_each = aws_s3_bucket.this

  bucket                  = each.value.bucket
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_versioning" "this" {
  for_each = aws_s3_bucket.this

  bucket = each.value.bucket

  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "this" {
  for_each = aws_s3_bucket.this

  bucket = each.value.bucket

  rule {
    bucket_key_enabled = local.keys[each.key] != null

    apply_server_side_encryption_by_default {
      sse_algorithm     = local.keys[each.key] == null ? "AES256" : "aws:kms"
      kms_master_key_id = local.keys[each.key]
    }
  }
}

resource "aws_s3_bucket_object_lock_configuration" "this" {
  for_each = var.retention_days > 0 ? local.zones : []

  bucket = aws_s3_bucket_versioning.this[each.key].bucket

  rule {
    default_retention {
      mode = "GOVERNANCE"
      days = var.retention_days
    }
  }
}

resource "aws_s3_bucket_policy" "this" {
  for_each = aws_s3_bucket.this

  bucket = aws_s3_bucket_public_access_block.this[each.key].bucket

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat(
      [for bucket in(each.key == "access-logs" ? [each.value] : []) : {
        Sid       = "AllowAccessLogDelivery"
        Effect    = "Allow"
        Principal = { Service = "logging.s3.amazonaws.com" }
        Action    = "s3:PutObject"
        Resource  = "${bucket.arn}/*"
        Condition = {
          StringEquals = { "aws:SourceAccount" = data.aws_caller_identity.current.account_id }
          ArnEquals    = { "aws:SourceArn" = [for key in local.data_buckets : aws_s3_bucket.this[key].arn] }
        }
      }],
      [{
        Sid       = "DenyInsecureTransport"
        Effect    = "Deny"
        Principal = "*"
        Action    = "s3:*"
        Resource  = [each.value.arn, "${each.value.arn}/*"]
        Condition = { Bool = { "aws:SecureTransport" = "false" } }
      }],
      # Versioning and Object Lock keep old versions but accept a second PUT of a key. A commit record or a checkpoint
      # must be created exactly once, so its PUT needs If-None-Match. UploadPart creates no object and does not support
      # the header.
      [for keys in(contains(local.zones, each.key) ? [var.create_once] : []) : {
        Sid       = "DenyOverwriteOfCommitRecords"
        Effect    = "Deny"
        Principal = "*"
        Action    = "s3:PutObject"
        Resource  = [for key in keys : "${each.value.arn}/${key}"]
        Condition = {
          Null = { "s3:if-none-match" = "true" }
          Bool = { "s3:ObjectCreationOperation" = "true" }
        }
      }],
      # For every principal. To delete a version, change this policy first, which CloudTrail records.
      [for bucket in(contains(local.zones, each.key) ? [each.value] : []) : {
        Sid       = "DenyDeletionOfVersions"
        Effect    = "Deny"
        Principal = "*"
        Action    = ["s3:BypassGovernanceRetention", "s3:DeleteObjectVersion"]
        Resource  = "${bucket.arn}/*"
      }],
    )
  })
}

resource "aws_s3_bucket_logging" "this" {
  for_each = local.data_buckets

  bucket        = aws_s3_bucket.this[each.key].bucket
  target_bucket = aws_s3_bucket_policy.this["access-logs"].bucket
  target_prefix = "${each.key}/"
}

resource "aws_s3_bucket_lifecycle_configuration" "this" {
  for_each = var.lifecycle_rules ? local.buckets : []

  bucket = aws_s3_bucket.this[each.key].bucket

  rule {
    id     = "expire-incomplete-uploads-and-old-versions"
    status = "Enabled"
    filter {}

    abort_incomplete_multipart_upload {
      days_after_initiation = 7
    }

    # Only expiring objects are ever replaced or deleted, in any bucket, and their old versions are not read.
    noncurrent_version_expiration {
      noncurrent_days = 30
    }

    expiration {
      expired_object_delete_marker = true
    }
  }

  dynamic "rule" {
    for_each = lookup(local.expiration_days, each.key, {})

    content {
      id     = "expire-${rule.key}"
      status = "Enabled"

      filter {
        prefix = "${rule.key}/"
      }

      expiration {
        days = rule.value
      }
    }
  }

  depends_on = [aws_s3_bucket_versioning.this]
}

# From the last resource applied to a bucket, so that nothing is written before it is protected.
output "buckets" {
  description = "Names of the buckets ingested, processed and artifacts."
  value       = { for key in local.data_buckets : key => aws_s3_bucket_policy.this[key].bucket }

  depends_on = [
    aws_s3_bucket_logging.this,
    aws_s3_bucket_object_lock_configuration.this,
    aws_s3_bucket_server_side_encryption_configuration.this,
    aws_s3_bucket_versioning.this,
  ]
}

output "access_logs" {
  description = "Name of the bucket of the other buckets' access logs."
  value       = aws_s3_bucket_policy.this["access-logs"].bucket
}

# The names are taken from the last thing that is set on a bucket, so that nothing is written before it is protected.
output "buckets" {
  description = "Names of the buckets ingested, processed and artifacts."
  value       = { for key, policy in aws_s3_bucket_policy.this : key => policy.bucket }

  depends_on = [
    aws_s3_bucket_object_lock_configuration.this,
    aws_s3_bucket_server_side_encryption_configuration.this,
    aws_s3_bucket_versioning.this,
  ]
}

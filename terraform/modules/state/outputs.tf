output "bucket" {
  description = "Name of the bucket, once it is protected."
  value       = aws_s3_bucket_policy.this.bucket
}

output "arn" {
  description = "ARN of the bucket."
  value       = local.arn
}

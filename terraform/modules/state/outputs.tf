output "bucket" {
  description = "Name of the bucket, after its protection is applied."
  value       = aws_s3_bucket_policy.this.bucket
}

output "arn" {
  description = "ARN of the bucket."
  value       = local.arn
}

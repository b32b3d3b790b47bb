output "scripts" {
  description = "Where each stage's script is: stage to s3:// address."
  value       = { for stage, script in aws_s3_object.script : stage => "s3://${script.bucket}/${script.key}" }
}

output "package" {
  description = "Where the package zip is: an s3:// address that changes with its content."
  value       = "s3://${aws_s3_object.package.bucket}/${aws_s3_object.package.key}"
}

output "package_hash" {
  description = "First twelve digits of the package's SHA-256."
  value       = local.package_hash
}

output "wheels" {
  description = "Where the wheels of the jobs' Python modules are: s3:// addresses, sorted."
  value       = sort([for wheel in aws_s3_object.wheel : "s3://${wheel.bucket}/${wheel.key}"])
}

output "certificates" {
  description = "Where the certificates of the databases' authorities are, as one s3:// address; null when there are none."
  value       = one([for file in aws_s3_object.certificates : "s3://${file.bucket}/${file.key}"])
}

output "scripts" {
  description = "s3:// address of each stage's script."
  value       = { for stage, script in aws_s3_object.script : stage => "s3://${script.bucket}/${script.key}" }
}

output "package" {
  description = "s3:// address of the package zip, which changes with its content."
  value       = "s3://${aws_s3_object.package.bucket}/${aws_s3_object.package.key}"
}

output "package_hash" {
  description = "First twelve hexadecimal digits of the package's SHA-256."
  value       = local.package_hash
}

output "wheels" {
  description = "s3:// address of the zip of the wheels of the jobs' Python modules, which changes with its content; null if there is none."
  value       = one([for file in aws_s3_object.wheels : "s3://${file.bucket}/${file.key}"])
}

output "certificates" {
  description = "s3:// address of the databases' CA certificates; null if there are none."
  value       = one([for file in aws_s3_object.certificates : "s3://${file.bucket}/${file.key}"])
}

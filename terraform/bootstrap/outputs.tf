output "state_bucket" {
  description = "Name of the bucket for Terraform's state."
  value       = module.state.bucket
}

output "github_roles" {
  description = "ARNs of the roles deploy and plan of the GitHub workflows; null without a repository."
  value       = one(module.github[*].roles)
}

output "key_alias" {
  description = "Alias of the key that encrypts the environment; null without a key."
  value       = one(module.key[*].alias)
}

# The bucket and its region come from env/*.tfvars (`make plan|deploy|destroy ENV=…`); `make bootstrap ENV=…` creates it.
terraform {
  backend "s3" {
    key          = "totelake.tfstate"
    encrypt      = true
    use_lockfile = true
  }
}

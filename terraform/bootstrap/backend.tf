# The bootstrap state is stored in the bucket that it manages.
terraform {
  backend "s3" {
    key          = "bootstrap.tfstate"
    encrypt      = true
    use_lockfile = true
  }
}

# The state of what comes before all else lies in the bucket that it makes.
terraform {
  backend "s3" {
    key          = "bootstrap.tfstate"
    encrypt      = true
    use_lockfile = true
  }
}

# Plans an environment without an account, so that what it is made of can be counted.

mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  totesys   = { host = "source.example.com", port = 5432, database = "totesys", username = "reader", password = "r" }
  network   = {} # a VPC of its own, as in docs/runbooks/deploy.md

  # What a deploy brings along; it costs nothing.
  wheels          = null
  ca_certificates = "environment.tftest.hcl"

}

run "plan" {
  command = plan
}

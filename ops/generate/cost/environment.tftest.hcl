# Plans an environment without an account, to count its resources.

mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  totesys = { host = "source.example.com", port = 5432, database = "totesys", username = "reader", password = "r" }
  network = {} # a VPC of its own, as in docs/runbooks/deploy.md

  # Set by a deployment; they cost nothing.
  wheels          = null
  ca_certificates = "environment.tftest.hcl"
}

run "configured" {
  command = plan
}

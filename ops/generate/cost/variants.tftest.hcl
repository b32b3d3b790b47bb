# Plans variants of an environment without an account, to count their resources.

mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  totesys = { host = "source.example.com", port = 5432, database = "totesys", username = "reader", password = "r" }
  network = {}

  # Set by a deployment; they cost nothing.
  wheels          = null
  ca_certificates = "environment.tftest.hcl"
}

run "without_proxy" {
  command = plan

  variables {
    network = { disable_proxy = true }
  }
}

run "redshift" {
  command = plan

  variables {
    warehouse_kind = "redshift"
  }
}

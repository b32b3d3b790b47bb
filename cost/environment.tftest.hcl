# Plans an environment without an account, so that what it is made of can be counted.

mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  totesys   = { host = "source.example.com", port = 5432, database = "totesys", username = "reader", password = "r" }
  warehouse = { host = "warehouse.example.com", port = 5432, database = "warehouse", username = "owner", password = "w" }
}

run "plan" {
  command = plan
}

"""What a month of an environment costs, from its Terraform configuration and a table of prices."""

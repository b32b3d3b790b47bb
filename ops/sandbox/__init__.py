"""A local environment: the local AWS, Postgres, and what Terraform deploys to them; and questions to it."""

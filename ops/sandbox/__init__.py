"""A local environment: the local AWS, Postgres, the Terraform deployment to them, and clients of it."""

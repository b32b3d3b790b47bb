"""The command line, local environments, deployment to AWS, and generated files."""

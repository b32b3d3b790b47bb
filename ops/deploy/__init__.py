"""Deploys totelake to an AWS account and removes it: `python -m ops.deploy --help`."""

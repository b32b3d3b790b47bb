"""Brings totelake into an AWS account and out of it again: `python -m ops.deploy --help`."""

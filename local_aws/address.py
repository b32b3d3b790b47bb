"""The host and region of the local AWS."""

HOST = "127.0.0.1"
REGION = "eu-west-2"

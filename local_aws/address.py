"""Where the local AWS is: its host and its region."""

HOST = "127.0.0.1"
REGION = "eu-west-2"

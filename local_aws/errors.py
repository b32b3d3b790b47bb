"""Errors of a local AWS.

LocalAwsError
└── SparkSetupError   Spark cannot be set up on this machine
"""


class LocalAwsError(Exception):
    """Base of the errors of a local AWS; the message says what to do."""


class SparkSetupError(LocalAwsError):
    """Spark cannot be set up on this machine; the message says why and what to do."""

"""What a local AWS cannot do on this machine.

LocalAwsError
└── SparkSetupError   something that Spark needs on this machine could not be made
"""


class LocalAwsError(Exception):
    """Base of the errors of a local AWS; the message says what to do."""


class SparkSetupError(LocalAwsError):
    """Something that Spark needs on this machine could not be made; the message says what and what to do."""

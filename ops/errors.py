"""Base error of the commands."""


class OperationError(Exception):
    """A command failed; the message says why and what to do."""

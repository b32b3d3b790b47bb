"""The base of what a command reports to the person who ran it."""


class OperationError(Exception):
    """A command could not do what it was asked to; the message says why, and what to do."""

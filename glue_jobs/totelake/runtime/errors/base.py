"""The base error, and the errors that any stage can raise."""

import re

NOTHING_LOST = "No data was lost; the next run continues from the last commit."
# What Postgres adds to the first line of an error, up to its next heading or the end of Java's message.
_DETAILS = re.compile(
    r"^\s*(?:detail|hint): +(.+?)(?=^\s*(?:detail|hint|context|where|query|position|line \d+): |^\s+at |\Z)",
    re.IGNORECASE | re.MULTILINE | re.DOTALL,
)


class TotelakeError(Exception):
    """Base of every error that totelake raises."""


class TransientError(TotelakeError):
    """A failure that may clear by itself: the run retries, and so does the next run."""


class AwsUnavailableError(TransientError):
    """An AWS service does not answer, or throttles requests."""

    def __init__(self, message: str) -> None:
        """Take the `message` of the service or the HTTP client."""
        super().__init__(f"AWS is not available: {message}. {NOTHING_LOST}")
        self.message = message


class StorageFullError(TotelakeError):
    """No disk space is left where the run writes."""

    def __init__(self, message: str) -> None:
        """Take the `message` of the failed write."""
        super().__init__(f"{message}. Nothing of the batch is visible. Free disk space and run again.")
        self.message = message


class ArgumentError(TotelakeError):
    """A job argument has an invalid value."""

    def __init__(self, name: str, value: str, expected: str) -> None:
        """Take the argument's name and `value`, and a description of the `expected` one."""
        super().__init__(f"--{name} {value}: expected {expected}.")
        self.name, self.value = name, value


class AlreadyRunningError(TotelakeError):
    """Another run of this stage holds its lock."""

    def __init__(self, stage: str, holder: str) -> None:
        """Take the `stage` and a description of the lock's `holder`."""
        super().__init__(f"{stage}: already running ({holder}). Nothing was done; run again when it has ended.")
        self.stage = stage


class UnexpectedError(TotelakeError):
    """An error that no other class covers, shortened from many lines to the one that says what happened."""

    def __init__(self, error: Exception) -> None:
        """Take the first line of `error`, or the second where a Java message begins there, and a database's details."""
        first, *rest = str(error).strip().splitlines()
        message = rest[0].removeprefix(":").strip() if rest and rest[0].startswith(":") else first
        details = [" ".join(match[1].split()) for match in _DETAILS.finditer(str(error))]
        text = ". ".join(line.rstrip(".") for line in (message, *details))
        super().__init__(f"{type(error).__name__}: {text.rstrip('.')}. The log has the complete error.")

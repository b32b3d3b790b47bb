"""Errors of totesys and the warehouse as databases: connection, access, interruption, encoding."""

from totelake.runtime.errors.base import NOTHING_LOST, TotelakeError, TransientError


class DatabaseUnavailableError(TransientError):
    """A database does not answer, or dropped the connection."""

    def __init__(self, database: str, message: str) -> None:
        """Take the `database` with its role and address, and the `message` of the server or driver."""
        super().__init__(f"{database} is not available: {message}. {NOTHING_LOST}")
        self.database, self.message = database, message


class DatabaseInterruptedError(TransientError):
    """A database cancelled a statement of the run."""

    def __init__(self, database: str, message: str) -> None:
        """Take the `database` with its role and address, and the `message` of the server."""
        super().__init__(f"{database} interrupted a statement: {message}. {NOTHING_LOST}")
        self.database, self.message = database, message


class DatabaseRefusedError(TotelakeError):
    """A database denies the role access, or the privileges that the run needs."""

    _REMEDY = "Correct the Glue connection, its secret or the privileges of the role, and run again."

    def __init__(self, database: str, message: str) -> None:
        """Take the `database` with its role and address, and the `message` of the server."""
        super().__init__(f"{database} refused access: {message}. No data was lost. {self._REMEDY}")
        self.database, self.message = database, message


class DatabaseReadOnlyError(DatabaseRefusedError):
    """A database accepts no writes."""

    _REMEDY = (
        "The database is read-only: point the Glue connection to the primary server if this is a standby; otherwise "
        "reset default_transaction_read_only (ALTER ROLE … RESET, ALTER DATABASE … RESET). Then run again."
    )


class ConnectionSettingsError(TotelakeError):
    """A Glue connection or its secret is incomplete or invalid."""

    def __init__(self, connection: str, problem: str) -> None:
        """Take the name of the Glue `connection` and the `problem`."""
        super().__init__(f"Glue connection {connection}: {problem}.")
        self.connection = connection


class EncodingError(TotelakeError):
    """A database has an encoding in which text cannot be transferred exactly."""

    def __init__(self, database: str, encoding: str, reason: str, remedy: str) -> None:
        """Take the `database` with its address, its `encoding`, the `reason` to reject it, and the `remedy`."""
        super().__init__(f"{database} has the encoding {encoding}: {reason}. {remedy}")
        self.database, self.encoding = database, encoding

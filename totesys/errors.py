"""Errors of totesys.

TotesysError
├── UnreachableError    the database does not answer
├── SchemaMissingError  tables are missing
├── NotEmptyError       the tables to seed already have rows
└── NotSeededError      tables that activity needs are empty
"""


class TotesysError(Exception):
    """Base of the errors of the source database; the message says what to do."""


class UnreachableError(TotesysError):
    """The database does not answer."""

    def __init__(self, where: str, reason: str) -> None:
        """Name the database, `where` without its password, and the driver's `reason`."""
        super().__init__(f"totesys is not reachable at {where}: {reason}. Run `totelake up` to start it.")
        self.where = where


class SchemaMissingError(TotesysError):
    """Tables of totesys are missing."""

    def __init__(self, missing: list[str]) -> None:
        """Name the missing tables."""
        super().__init__(f"totesys has no table {', '.join(missing)}. Run `totelake up` to create the schema.")
        self.missing = missing


class NotEmptyError(TotesysError):
    """The tables to seed already have rows."""

    def __init__(self, filled: list[str]) -> None:
        """Name the tables that have rows."""
        super().__init__(
            f"totesys is seeded already: {', '.join(filled)} has rows. Run `totelake activity` to simulate activity, "
            "or `totelake down --purge` and `totelake up` to start from an empty database."
        )
        self.filled = filled


class NotSeededError(TotesysError):
    """Tables that activity needs are empty."""

    def __init__(self, empty: list[str]) -> None:
        """Name the empty tables."""
        super().__init__(f"totesys is not seeded: {', '.join(empty)} is empty. Run `totelake seed` first.")
        self.empty = empty

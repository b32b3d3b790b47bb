"""What can go wrong with totesys.

TotesysError
├── UnreachableError    the database does not answer
├── SchemaMissingError  the tables are not there
├── NotEmptyError       a seed would mix with rows that are there already
└── NotSeededError      a business without staff, customers or designs cannot go on
"""


class TotesysError(Exception):
    """Something is wrong with the source database; the message says what to do."""


class UnreachableError(TotesysError):
    """The database does not answer."""

    def __init__(self, where: str, reason: str) -> None:
        """Name the database by `where`, without its password, and the `reason` that the driver gave."""
        super().__init__(f"totesys is not reachable at {where}: {reason}. Run `totelake up` to start it.")
        self.where = where


class SchemaMissingError(TotesysError):
    """Tables of totesys are not there."""

    def __init__(self, missing: list[str]) -> None:
        """Name the missing tables."""
        super().__init__(f"totesys has no table {', '.join(missing)}. Run `totelake up` to create the schema.")
        self.missing = missing


class NotEmptyError(TotesysError):
    """Tables that a seed wants to fill hold rows already."""

    def __init__(self, filled: list[str]) -> None:
        """Name the tables that hold rows."""
        super().__init__(
            f"totesys is seeded already: there are rows in {', '.join(filled)}. Run `totelake activity` to let the "
            "business go on, or `totelake down --purge` and `totelake up` to begin anew."
        )
        self.filled = filled


class NotSeededError(TotesysError):
    """Tables that the business needs hold nothing."""

    def __init__(self, empty: list[str]) -> None:
        """Name the empty tables."""
        super().__init__(f"totesys is not seeded: {', '.join(empty)} is empty. Run `totelake seed` first.")
        self.empty = empty

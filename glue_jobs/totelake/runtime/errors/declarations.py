"""Errors of names and columns that the table declarations do not have."""

from collections.abc import Iterable

from totelake.runtime.errors.base import TotelakeError


class UnknownTableError(TotelakeError):
    """No table of that name is declared."""

    def __init__(self, table: str, known: Iterable[str]) -> None:
        """Take the name and the `known` table names."""
        super().__init__(f"There is no table {table}; there are {', '.join(sorted(known))}.")
        self.table = table


class UnknownColumnError(TotelakeError):
    """No column of that name is declared."""

    def __init__(self, column: str, similar: Iterable[str]) -> None:
        """Take the name and the declared names that are `similar` to it."""
        suggestions = ", ".join(similar)
        hint = f"did you mean {suggestions}?" if suggestions else "docs/tables.md lists all columns."
        super().__init__(f"There is no column {column}; {hint}")
        self.column = column


class SchemaError(TotelakeError):
    """A DataFrame lacks columns that its table declares."""

    def __init__(self, table: str, missing: list[str]) -> None:
        """Take the name of the `table` and the `missing` columns."""
        super().__init__(f"{table}: the DataFrame lacks column {', '.join(missing)}.")
        self.table, self.missing = table, missing

"""Errors of the tables and rows of totesys."""

from totelake.runtime.errors.base import TotelakeError, TransientError


class SourceChangedError(TransientError):
    """A totesys table was altered during the read, so that the batch would not show one snapshot of it."""

    def __init__(self, table: str) -> None:
        """Take the name of the `table`."""
        super().__init__(
            f"totesys.{table} was altered, or a child table attached to it, while it was read. Nothing was committed; "
            f"the batch is read again."
        )
        self.table = table


class SourceSchemaError(TotelakeError):
    """A source table does not match its declaration."""

    def __init__(self, table: str, problems: list[str], remedy: str = "") -> None:
        """Take the `problems` of `table`, and the `remedy` where it is not to undo or declare the change."""
        super().__init__(
            f"totesys.{table}: {'; '.join(problems)}. Nothing was read. "
            f"{remedy or 'Undo the change in totesys or declare it in totelake/tables/sources.py.'}"
        )
        self.table, self.problems = table, problems


class UnreadableTableError(SourceSchemaError):
    """The rows of a source table, or their changes, cannot be read reliably."""


class SourceValueError(TotelakeError):
    """Source rows have values that the lake cannot store exactly."""

    def __init__(self, table: str, column: str, rows: int, keys: list[str], limits: str) -> None:
        """Take the `column`, how many changed `rows` are affected, some of their `keys`, and the supported `limits`."""
        super().__init__(
            f"totesys.{table}: {rows} changed rows have a value in column {column} that cannot be stored exactly; "
            f"supported is {limits}: {_listed(keys, rows)}. Nothing was read. Correct these rows in totesys."
        )
        self.table, self.column, self.rows, self.keys = table, column, rows, keys


class DuplicateKeyError(TotelakeError):
    """Source rows have the same key, or no key."""

    def __init__(self, table: str, key: str, keys: list[str], duplicates: int, children: list[str]) -> None:
        """Take the `key` columns, some invalid `keys` of `duplicates` in total, and the table's `children`."""
        of_children = (
            f" Rows of {', '.join(children)} count as rows of this table, unless ALTER TABLE … NO INHERIT detaches it."
            if children
            else ""
        )
        super().__init__(
            f"totesys.{table}: {key} is declared as the key, and {duplicates} of its values are NULL or occur more "
            f"than once: {_listed(keys, duplicates)}. Nothing was committed.{of_children} Remove or correct the rows "
            f"in totesys; a primary key or a unique constraint prevents them."
        )
        self.table, self.key, self.keys, self.duplicates = table, key, keys, duplicates


class MassDeletionError(TotelakeError):
    """So many rows of a table were deleted that it is probably an accident."""

    def __init__(self, table: str, deletes: int, alive: int, share: float) -> None:
        """Take how many of the rows `alive` at the last batch were deleted, and the permitted `share`."""
        super().__init__(
            f"totesys.{table}: {deletes} of its {alive} rows were deleted since the last batch, more than the "
            f"permitted share of {share:g}. Nothing was committed. Restore the rows or, if they were deleted on "
            f"purpose, run the job once with --deletable_share 1."
        )
        self.table, self.deletes, self.alive, self.share = table, deletes, alive, share


def _listed(examples: list[str], total: int) -> str:
    return ", ".join(examples) + (", …" if total > len(examples) else "")

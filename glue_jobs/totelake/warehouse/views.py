"""The views of the lake: each star table as it is now, as Athena computes it from the versions that were written."""

from totelake.tables.model import DELETED_AT, INGESTED_SEQUENCE, Column, StarTable
from totelake.warehouse.names import current_columns


def columns(table: StarTable) -> list[Column]:
    """Return the columns of the view of `table`: the warehouse's, but for the number that only the warehouse gives."""
    shown = current_columns(table)
    return [column for column in table.stored_columns if column.name in shown]


def query(table: StarTable) -> str:
    """Return the query of the view of `table`, in the words of Athena.

    Of each record it has the version of the youngest batch, unless that says that the record was deleted. The catalog
    has only partitions that are committed and in force, so a zone that was made anew counts once.
    """
    names = ", ".join(_quoted(column.name) for column in columns(table))
    key = ", ".join(map(_quoted, table.natural_key))
    youngest = f"row_number() OVER (PARTITION BY {key} ORDER BY {_quoted(INGESTED_SEQUENCE.name)} DESC)"
    versions = f"SELECT *, {youngest} AS version FROM {_quoted(table.name)}"  # noqa: S608 - declared names
    return f"SELECT {names} FROM ({versions}) WHERE version = 1 AND {_quoted(DELETED_AT.name)} IS NULL"  # noqa: S608


def _quoted(name: str) -> str:
    return f'"{name}"'

"""The names of schemas, tables, views and columns in every kind of warehouse."""

from collections.abc import Iterable

from psycopg import sql

from totelake.tables import STAR_TABLES, StarTable
from totelake.tables.ledger import LEDGER
from totelake.tables.model import DELETED_AT

SCHEMA = "public"
STAGING_SCHEMA = "staging"
LOADER = "warehouse_loader"
READER = "warehouse_reader"
MAX_DUPLICATES = 5
"""The maximum number of duplicate staged keys in an error."""


def current_view(table: StarTable) -> str:
    """Return the name of the view of the current records of `table`, without deleted ones."""
    return f"current_{table.name}"


def current_columns(table: StarTable) -> list[str]:
    """Return the columns of that view: all but the deletion time."""
    surrogate = [table.surrogate] if table.surrogate else []
    return [*surrogate, *(column.name for column in table.stored_columns if column != DELETED_AT)]


def relations() -> list[str]:
    """Return the names of all tables and views in the schema of the star tables."""
    return [LEDGER, *STAR_TABLES, *map(current_view, STAR_TABLES.values())]


def listed(columns: Iterable[str]) -> sql.Composed:
    """Return the names of `columns`, quoted and separated by commas."""
    return sql.SQL(", ").join(sql.Identifier(name) for name in columns)


def as_text(parts: Iterable[sql.Composed]) -> str:
    """Return the statements `parts` as one script."""
    return "".join(f"{part.as_string()};\n\n" for part in parts)

"""What the parts of a warehouse are called, whichever kind of warehouse it is."""

from collections.abc import Iterable

from psycopg import sql

from totelake.tables import STAR_TABLES, StarTable
from totelake.tables.ledger import LEDGER
from totelake.tables.model import DELETED_AT

SCHEMA = "public"
STAGING_SCHEMA = "staging"
MOST_DUPLICATES = 5
"""How many keys that are staged more than once an error names."""


def current_view(table: StarTable) -> str:
    """Return the name of the view with each record of `table` as it is in totesys now, deleted ones left out."""
    return f"current_{table.name}"


def current_columns(table: StarTable) -> list[str]:
    """Return the columns of that view; in it nothing is deleted."""
    surrogate = [table.surrogate] if table.surrogate else []
    return [*surrogate, *(column.name for column in table.stored_columns if column != DELETED_AT)]


def relations() -> list[str]:
    """Return the names of all tables and views in the schema of the stars."""
    return [LEDGER, *STAR_TABLES, *map(current_view, STAR_TABLES.values())]


def listed(columns: Iterable[str]) -> sql.Composed:
    """Return the names of `columns`, quoted and separated by commas."""
    return sql.SQL(", ").join(sql.Identifier(name) for name in columns)


def as_text(parts: Iterable[sql.Composed]) -> str:
    """Return `parts` as one script."""
    return "".join(f"{part.as_string()};\n\n" for part in parts)

"""What a warehouse has lost: tables without rows that its ledger says were loaded."""

from collections.abc import Callable, Collection, Iterable, Mapping

from psycopg import sql

from totelake.tables import STAR_TABLES
from totelake.tables.ledger import LEDGER
from totelake.warehouse.names import SCHEMA


def filled(tables: Iterable[str]) -> sql.Composed:
    """Return the query of which of `tables`, all of which are there, have a row; it reads one row of each."""
    return sql.SQL(" UNION ALL ").join(
        sql.SQL("SELECT {} AS star_table FROM (SELECT 1 FROM {} LIMIT 1) AS one_row").format(
            sql.Literal(table), sql.Identifier(SCHEMA, table)
        )
        for table in tables
    )


def losses(
    found: Collection[str], with_rows: Collection[str], entries: Callable[[], Iterable[Mapping[str, int]]]
) -> dict[str, str]:
    """Return what is wrong with each table that lost all of its rows: it is missing, or it is empty.

    `found` are the tables that are there, and `with_rows` those of them that have a row. `entries` returns
    how many rows each entry of the ledger has of each table, and is called only when a star table has no row: one that
    an earlier version did not declare is missing, and has lost nothing.
    """
    if LEDGER not in found:
        missing = {table: "is missing" for table in STAR_TABLES if table not in found}
        told = f"is missing, while there are rows in {', '.join(sorted(with_rows))}"
        return {LEDGER: told, **missing} if with_rows else {}
    without_rows = [table for table in STAR_TABLES if table not in with_rows]
    if not without_rows:
        return {}
    loaded = {table for entry in entries() for table, rows in entry.items() if rows}
    return {table: "has no row" if table in found else "is missing" for table in without_rows if table in loaded}

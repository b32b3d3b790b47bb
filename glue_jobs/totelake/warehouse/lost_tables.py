"""The lost tables of a warehouse: missing or empty ones of which the ledger lists loaded rows."""

from collections.abc import Callable, Collection, Iterable, Mapping

from psycopg import sql

from totelake.tables import STAR_TABLES
from totelake.tables.ledger import LEDGER
from totelake.warehouse.names import SCHEMA


def non_empty(tables: Iterable[str]) -> sql.Composed:
    """Return the query for those of the existing `tables` that have a row; it reads one row of each."""
    return sql.SQL(" UNION ALL ").join(
        sql.SQL("SELECT {} AS star_table FROM (SELECT 1 FROM {} LIMIT 1) AS one_row").format(
            sql.Literal(table), sql.Identifier(SCHEMA, table)
        )
        for table in tables
    )


def lost_tables(
    existing: Collection[str], with_rows: Collection[str], entries: Callable[[], Iterable[Mapping[str, int]]]
) -> dict[str, str]:
    """Return the problem of each table that lost all of its rows: it is missing, or has no row.

    `existing` are the tables in the warehouse, and `with_rows` those of them with a row. `entries` returns the number
    of rows by table of each ledger entry; it is called only if a star table has no row. A table that was not declared
    when the batches were loaded may be missing.
    """
    if LEDGER not in existing:
        missing = {table: "is missing" for table in STAR_TABLES if table not in existing}
        problem = f"is missing, while there are rows in {', '.join(sorted(with_rows))}"
        return {LEDGER: problem, **missing} if with_rows else {}
    without_rows = [table for table in STAR_TABLES if table not in with_rows]
    if not without_rows:
        return {}
    loaded = {table for entry in entries() for table, rows in entry.items() if rows}
    return {table: "has no row" if table in existing else "is missing" for table in without_rows if table in loaded}

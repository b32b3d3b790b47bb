"""The ledger in Redshift: reads the last entry, and runs statements only while that is the last one."""

from psycopg import sql

from totelake.runtime.errors import DatabaseInterruptedError, StatementError
from totelake.tables.ledger import LEDGER
from totelake.warehouse.ledger import NOTHING_LOADED, LedgerEntry
from totelake.warehouse.names import SCHEMA
from totelake.warehouse.redshift.data_api import DataApi, Row

TABLE = sql.Identifier(SCHEMA, LEDGER)
_EXISTS = sql.SQL("SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = {} AND table_name = {}").format(
    SCHEMA, LEDGER
)
_LAST = sql.SQL(
    "SELECT processed_sequence, batch_id, last_ingested, entries, first_of_all FROM {ledger} CROSS JOIN"
    " (SELECT COUNT(*) AS entries, MAX(processed_sequence) AS last_of_all,"
    " MIN(CASE WHEN first_ingested = 1 THEN processed_sequence END) AS first_of_all FROM {ledger}) AS totals"
    " WHERE processed_sequence = last_of_all"
).format(ledger=TABLE)


def exists(api: DataApi) -> bool:
    """Return whether the ledger exists; a first load creates it."""
    return api.rows(_EXISTS) == [(1,)]


def last_entry(api: DataApi) -> LedgerEntry:
    """Return the last entry, without checking that none before it is missing."""
    rows = api.rows(_LAST)
    return LedgerEntry(*rows[0]) if rows else NOTHING_LOADED


def delete_entries() -> sql.Composed:
    """Return the statement that deletes all entries."""
    return sql.SQL("DELETE FROM {}").format(TABLE)


def rows_of_entries() -> sql.Composed:
    """Return the query for the number of rows by table of each entry, as JSON."""
    return sql.SQL("SELECT {} FROM {}").format(sql.Identifier("rows"), TABLE)


def assert_unchanged(last: LedgerEntry) -> sql.Composed:
    """Return the statement that fails its transaction unless `last` is still the last entry of the ledger."""
    return sql.SQL(
        "SELECT 1 / COUNT(*) FROM (SELECT COUNT(*) AS entries, COALESCE(MAX(processed_sequence), 0) AS last_of_all"
        " FROM {}) AS ledger WHERE entries = {} AND last_of_all = {}"
    ).format(TABLE, last.entries, last.sequence)


def rows_if_unchanged(api: DataApi, last: LedgerEntry, statement: sql.Composable) -> list[Row]:
    """Return the rows of `statement`; raise `DatabaseInterruptedError` when `last` is no longer the last entry."""
    try:
        _, rows = api.run([assert_unchanged(last), statement]).results()
    except StatementError as error:
        if error.statement == 0:
            raise changed_meanwhile(api) from error
        raise
    return rows


def changed_meanwhile(api: DataApi) -> DatabaseInterruptedError:
    """Return the transient error that another load has changed the ledger."""
    message = f"another load has changed {LEDGER} since it was read"
    return DatabaseInterruptedError(f"the warehouse ({api.place})", message)

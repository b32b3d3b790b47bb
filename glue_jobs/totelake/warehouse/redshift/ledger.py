"""The ledger as Redshift keeps it: its last entry, and statements that run only while that is the last one."""

from psycopg import sql

from totelake.runtime.errors import DatabaseInterruptedError, StatementError
from totelake.tables.ledger import LEDGER
from totelake.warehouse.ledger import NOTHING_LOADED, Entry
from totelake.warehouse.names import SCHEMA
from totelake.warehouse.redshift.data_api import DataApi, Row

TABLE = sql.Identifier(SCHEMA, LEDGER)
_EXISTS = sql.SQL("SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = {} AND table_name = {}").format(
    SCHEMA, LEDGER
)
_LAST = sql.SQL(
    "SELECT processed_sequence, batch_id, last_ingested, entries, first_of_all FROM {ledger} CROSS JOIN"
    " (SELECT COUNT(*) AS entries, MAX(processed_sequence) AS last_of_all,"
    " MIN(CASE WHEN first_ingested = 1 THEN processed_sequence END) AS first_of_all FROM {ledger}) AS told"
    " WHERE processed_sequence = last_of_all"
).format(ledger=TABLE)


def exists(api: DataApi) -> bool:
    """Return whether there is a ledger, which a first load makes."""
    return api.rows(_EXISTS) == [(1,)]


def last_entry(api: DataApi) -> Entry:
    """Return the last entry, which may show that others are missing."""
    rows = api.rows(_LAST)
    return Entry(*rows[0]) if rows else NOTHING_LOADED


def forget() -> sql.Composed:
    """Return the statement that removes all entries."""
    return sql.SQL("DELETE FROM {}").format(TABLE)


def rows_of_entries() -> sql.Composed:
    """Return the query of how many rows each entry has of each table, as JSON."""
    return sql.SQL("SELECT {} FROM {}").format(sql.Identifier("rows"), TABLE)


def is_unchanged(last: Entry) -> sql.Composed:
    """Return the statement that fails, and its transaction with it, unless the ledger ends with the `last` entry."""
    return sql.SQL(
        "SELECT 1 / COUNT(*) FROM (SELECT COUNT(*) AS entries, COALESCE(MAX(processed_sequence), 0) AS last_of_all"
        " FROM {}) AS ledger WHERE entries = {} AND last_of_all = {}"
    ).format(TABLE, last.entries, last.sequence)


def rows_while(api: DataApi, last: Entry, statement: sql.Composable) -> list[Row]:
    """Return the rows of `statement`; raise `DatabaseInterruptedError` when `last` is not the last entry now."""
    try:
        _, rows = api.run([is_unchanged(last), statement]).results()
    except StatementError as error:
        if error.statement == 0:
            raise went_on(api) from error
        raise
    return rows


def went_on(api: DataApi) -> DatabaseInterruptedError:
    """Return the error that another load was quicker; whoever tries again meets what it did."""
    said = f"another load has changed {LEDGER} since it was read"
    return DatabaseInterruptedError(f"the warehouse ({api.place})", said)

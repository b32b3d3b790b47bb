"""The transaction of a load: its statements in order, each with its purpose.

Redshift enforces no keys, and the Data API cannot branch on results. So the transaction has assertions: statements that
divide by zero if their condition does not hold, which rolls everything back.
"""

from dataclasses import dataclass
from enum import Enum, auto

from psycopg import sql

from totelake.tables import STAR_TABLES, StarTable
from totelake.tables.ledger import LEDGER
from totelake.warehouse.contract import FilesByTable
from totelake.warehouse.ledger import LedgerEntry
from totelake.warehouse.names import MAX_DUPLICATES, SCHEMA, listed
from totelake.warehouse.redshift import ledger
from totelake.warehouse.redshift.merge import delete_known, insert_staged, merge_staged, staging


class Purpose(Enum):
    """The purpose of a statement in the transaction."""

    LOCK = auto()
    LEDGER_UNCHANGED = auto()
    EMPTY = auto()
    COPY = auto()
    STAGING_COMPLETE = auto()
    DELETE_KNOWN = auto()
    MERGE = auto()
    NO_ORPHANS = auto()
    ENTER_LEDGER = auto()
    COUNT = auto()


@dataclass(frozen=True, slots=True)
class TransactionStep:
    """One statement of the transaction."""

    purpose: Purpose
    statement: sql.Composable


def copies(role: str, manifests: dict[StarTable, str]) -> list[TransactionStep]:
    """Return the steps that copy the files of `manifests` into staging, with the `role` that may read them."""
    return [TransactionStep(Purpose.COPY, _copy(staging(table), role, address)) for table, address in manifests.items()]


def opening(last: LedgerEntry) -> list[TransactionStep]:
    """Return the first steps of a load: lock the ledger, and assert that `last` is still its last entry.

    The snapshot of a transaction is taken at its first statement after LOCK, so it includes the load before it.
    """
    return [
        TransactionStep(Purpose.LOCK, sql.SQL("LOCK {}").format(ledger.TABLE)),
        TransactionStep(Purpose.LEDGER_UNCHANGED, ledger.assert_unchanged(last)),
    ]


def merging(files: FilesByTable, role: str, entries: str | None, *, full_refresh: bool) -> list[TransactionStep]:
    """Return the steps that merge the staged rows of `files` into the star tables, and insert the ledger entries.

    `entries` is the URL of the manifest of the new ledger entries.
    """
    steps = (
        [TransactionStep(Purpose.STAGING_COMPLETE, _staging_complete(files, full_refresh=full_refresh))]
        if files
        else []
    )
    if full_refresh:
        emptied = [sql.Identifier(SCHEMA, name) for name in (*STAR_TABLES, LEDGER)]
        steps += [TransactionStep(Purpose.EMPTY, sql.SQL("DELETE FROM {}").format(name)) for name in emptied]
        steps += [TransactionStep(Purpose.MERGE, insert_staged(table)) for table in files]
    else:
        for table in files:
            steps += [
                TransactionStep(Purpose.DELETE_KNOWN, delete_known(table)),
                TransactionStep(Purpose.MERGE, merge_staged(table)),
            ]
    if any(table.is_fact for table in files):
        steps.append(TransactionStep(Purpose.NO_ORPHANS, _no_orphans(files)))
    if entries:
        steps.append(TransactionStep(Purpose.ENTER_LEDGER, _copy(ledger.TABLE, role, entries)))
    if files:
        steps.append(TransactionStep(Purpose.COUNT, count_staged(files, full_refresh=full_refresh)))
    return steps


def count_staged(files: FilesByTable, *, full_refresh: bool) -> sql.Composed:
    """Return the query for the number of rows staged for each table, counting each version or key once.

    Its two columns are the table and the number.
    """
    return sql.SQL(" UNION ALL ").join(
        sql.SQL(
            "SELECT {} AS star_table, COUNT(*) AS staged FROM (SELECT DISTINCT {} FROM {}) AS distinct_rows"
        ).format(sql.Literal(table.name), _key_columns(table, full_refresh=full_refresh), staging(table))
        for table in files
    )


def duplicates(table: StarTable, *, full_refresh: bool) -> sql.Composed:
    """Return the query for a few duplicate values of `staging_key` in staging, each with its count."""
    return sql.SQL(
        "SELECT {key}, COUNT(*) AS copies FROM {staging} GROUP BY {key} HAVING COUNT(*) > 1"
        " ORDER BY copies DESC, {key} LIMIT {most}"
    ).format(
        key=_key_columns(table, full_refresh=full_refresh), staging=staging(table), most=sql.Literal(MAX_DUPLICATES)
    )


def staging_key(table: StarTable, *, full_refresh: bool) -> tuple[str, ...]:
    """Return the columns that must be unique in staging: MERGE needs one row per key."""
    return table.identity if table.is_fact or full_refresh else table.key


def _copy(table: sql.Identifier, role: str, manifest: str) -> sql.Composed:
    # Columns map by position: docs.aws.amazon.com/redshift/latest/dg/copy-usage_notes-copy-from-columnar.html
    return sql.SQL("COPY {} FROM {} IAM_ROLE {} FORMAT AS PARQUET MANIFEST").format(table, manifest, role)


def _staging_complete(files: FilesByTable, *, full_refresh: bool) -> sql.Composed:
    """Return the statement that fails unless staging has the rows of the commit records, each once."""
    wrong = sql.SQL(" UNION ALL ").join(
        sql.SQL(
            "SELECT CASE WHEN COALESCE(SUM(copies), 0) = {expected} AND COALESCE(MAX(copies), 1) = 1 THEN 0 ELSE 1 END"
            " AS wrong FROM (SELECT COUNT(*) AS copies FROM {staging} GROUP BY {columns}) AS staged"
        ).format(
            expected=sum(part.rows for part in tables),
            staging=staging(table),
            columns=_key_columns(table, full_refresh=full_refresh),
        )
        for table, tables in files.items()
    )
    return sql.SQL("SELECT 1 / (CASE WHEN SUM(wrong) = 0 THEN 1 ELSE 0 END) FROM ({}) AS arrived").format(wrong)


def _key_columns(table: StarTable, *, full_refresh: bool) -> sql.Composed:
    return listed(staging_key(table, full_refresh=full_refresh))


def _no_orphans(files: FilesByTable) -> sql.Composed:
    """Return the statement that fails when a merged fact references a missing dimension row."""
    orphans = sql.SQL(" UNION ALL ").join(
        sql.SQL(
            "SELECT 1 AS orphan FROM {staging} AS fact"
            " LEFT JOIN {dimension} AS dimension ON dimension.{key} = fact.{column}"
            " WHERE fact.{column} IS NOT NULL AND dimension.{key} IS NULL"
        ).format(
            staging=staging(table),
            dimension=sql.Identifier(SCHEMA, column.references),
            key=sql.Identifier(STAR_TABLES[column.references].key[0]),
            column=sql.Identifier(column.name),
        )
        for table in files
        for column in table.columns
        if column.references
    )
    return sql.SQL("SELECT 1 / (CASE WHEN COUNT(*) = 0 THEN 1 ELSE 0 END) FROM ({}) AS orphans").format(orphans)

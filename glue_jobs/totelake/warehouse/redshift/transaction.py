"""The one transaction of a load: all of its statements, in order, and what it means when one of them fails.

Redshift enforces no key and the Data API runs statements without looking at what they return. So the transaction holds
itself to what must be true: a condition that is not met divides by zero, and everything is rolled back.
"""

from dataclasses import dataclass
from enum import Enum, auto

from psycopg import sql

from totelake.tables import STAR_TABLES, StarTable
from totelake.tables.ledger import LEDGER
from totelake.warehouse.contract import FilesByTable
from totelake.warehouse.ledger import Entry
from totelake.warehouse.names import MOST_DUPLICATES, SCHEMA, listed
from totelake.warehouse.redshift import ledger
from totelake.warehouse.redshift.merge import bring_in, bring_in_anew, drop_held, staging


class Purpose(Enum):
    """What a statement of the transaction is for."""

    LOCK = auto()
    LEDGER_IS_THE_SAME = auto()
    EMPTY = auto()
    COPY = auto()
    ALL_ARRIVED = auto()
    DROP_HELD = auto()
    BRING_IN = auto()
    NO_ORPHANS = auto()
    ENTER = auto()
    COUNT = auto()


@dataclass(frozen=True, slots=True)
class Step:
    """One statement of the transaction."""

    purpose: Purpose
    statement: sql.Composable


def copies(role: str, manifests: dict[StarTable, str]) -> list[Step]:
    """Return the steps that copy what `manifests` list into staging, as the `role` that may read it."""
    return [Step(Purpose.COPY, _copy(staging(table), role, address)) for table, address in manifests.items()]


def opening(last: Entry) -> list[Step]:
    """Return the steps with which a load begins: alone, and with the ledger still ending with the `last` entry.

    A transaction sees the database as it is at its first statement but LOCK: what the load before it committed is seen.
    """
    return [
        Step(Purpose.LOCK, sql.SQL("LOCK {}").format(ledger.TABLE)),
        Step(Purpose.LEDGER_IS_THE_SAME, ledger.is_unchanged(last)),
    ]


def merging(parts: FilesByTable, role: str, entries: str | None, *, full_refresh: bool) -> list[Step]:
    """Return the steps that bring what is staged of `parts` into the star tables, and its batches into the ledger.

    `entries` is the address of the manifest of the ledger's new entries.
    """
    steps = [Step(Purpose.ALL_ARRIVED, _all_arrived(parts, full_refresh=full_refresh))] if parts else []
    if full_refresh:
        emptied = [sql.Identifier(SCHEMA, name) for name in (*STAR_TABLES, LEDGER)]
        steps += [Step(Purpose.EMPTY, sql.SQL("DELETE FROM {}").format(name)) for name in emptied]
        steps += [Step(Purpose.BRING_IN, bring_in_anew(table)) for table in parts]
    else:
        for table in parts:
            steps += [Step(Purpose.DROP_HELD, drop_held(table)), Step(Purpose.BRING_IN, bring_in(table))]
    if any(table.is_fact for table in parts):
        steps.append(Step(Purpose.NO_ORPHANS, _no_orphans(parts)))
    if entries:
        steps.append(Step(Purpose.ENTER, _copy(ledger.TABLE, role, entries)))
    if parts:
        steps.append(Step(Purpose.COUNT, count_staged(parts, full_refresh=full_refresh)))
    return steps


def count_staged(parts: FilesByTable, *, full_refresh: bool) -> sql.Composed:
    """Return the query of how many rows are staged for each table, counting each version or key once.

    Its two columns are the table and the number.
    """
    return sql.SQL(" UNION ALL ").join(
        sql.SQL("SELECT {} AS star_table, COUNT(*) AS staged FROM (SELECT DISTINCT {} FROM {}) AS rows_of_it").format(
            sql.Literal(table.name), _told_apart_by(table, full_refresh=full_refresh), staging(table)
        )
        for table in parts
    )


def duplicates(table: StarTable, *, full_refresh: bool) -> sql.Composed:
    """Return the query of a few values of `merged_by` that staging has more than once, each with how often."""
    return sql.SQL(
        "SELECT {key}, COUNT(*) AS copies FROM {staging} GROUP BY {key} HAVING COUNT(*) > 1"
        " ORDER BY copies DESC, {key} LIMIT {most}"
    ).format(
        key=_told_apart_by(table, full_refresh=full_refresh), staging=staging(table), most=sql.Literal(MOST_DUPLICATES)
    )


def merged_by(table: StarTable, *, full_refresh: bool) -> tuple[str, ...]:
    """Return the columns of which staging may have no two equal rows: MERGE wants one row for each key."""
    return table.identity if table.is_fact or full_refresh else table.key


def _copy(table: sql.Identifier, role: str, manifest: str) -> sql.Composed:
    # It goes by the place of a column: docs.aws.amazon.com/redshift/latest/dg/copy-usage_notes-copy-from-columnar.html
    return sql.SQL("COPY {} FROM {} IAM_ROLE {} FORMAT AS PARQUET MANIFEST").format(table, manifest, role)


def _all_arrived(parts: FilesByTable, *, full_refresh: bool) -> sql.Composed:
    """Return the statement that fails unless staging holds what the commit records say, each row once."""
    wrong = sql.SQL(" UNION ALL ").join(
        sql.SQL(
            "SELECT CASE WHEN COALESCE(SUM(copies), 0) = {expected} AND COALESCE(MAX(copies), 1) = 1 THEN 0 ELSE 1 END"
            " AS wrong FROM (SELECT COUNT(*) AS copies FROM {staging} GROUP BY {columns}) AS staged"
        ).format(
            expected=sum(part.rows for part in found),
            staging=staging(table),
            columns=_told_apart_by(table, full_refresh=full_refresh),
        )
        for table, found in parts.items()
    )
    return sql.SQL("SELECT 1 / (CASE WHEN SUM(wrong) = 0 THEN 1 ELSE 0 END) FROM ({}) AS arrived").format(wrong)


def _told_apart_by(table: StarTable, *, full_refresh: bool) -> sql.Composed:
    return listed(merged_by(table, full_refresh=full_refresh))


def _no_orphans(parts: FilesByTable) -> sql.Composed:
    """Return the statement that fails when a fact that was brought in refers to a row that is not there."""
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
        for table in parts
        for column in table.columns
        if column.references
    )
    return sql.SQL("SELECT 1 / (CASE WHEN COUNT(*) = 0 THEN 1 ELSE 0 END) FROM ({}) AS orphans").format(orphans)

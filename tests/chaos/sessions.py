"""Connections to totesys that execute the steps of interleavings."""

from contextlib import ExitStack
from typing import Self

import psycopg
from psycopg import sql

from tests.chaos.schedules import RowId, ScheduleStep, StepKind
from totelake.tables import SOURCE_TABLES

# A step never waits for another; if one does, it fails with a timeout.
_OPTIONS = "-c lock_timeout=10s"

# A snapshot lists at most 64 subtransactions of a transaction, and then only that there are more.
DEPTH = 70

# The column of each table that shows a change.
_MARKED = {
    "sales_order": "units_sold",
    "purchase_order": "item_quantity",
    "payment": "payment_amount",
    "transaction": "transaction_type",
    "counterparty": "commercial_contact",
    "address": "address_line_2",
    "staff": "last_name",
    "department": "location",
    "design": "file_name",
    "currency": "currency_code",
    "payment_type": "payment_type_name",
}
_STATEMENTS = {
    StepKind.BEGIN: "BEGIN",
    StepKind.COMMIT: "COMMIT",
    StepKind.ROLLBACK: "ROLLBACK",
    StepKind.SAVEPOINT: "SAVEPOINT {savepoint}",
    StepKind.ROLLBACK_TO: "ROLLBACK TO {savepoint}",
    StepKind.RELEASE: "RELEASE {savepoint}",
    StepKind.PREPARE: "PREPARE TRANSACTION {name}",
    StepKind.COMMIT_PREPARED: "COMMIT PREPARED {name}",
    StepKind.ROLLBACK_PREPARED: "ROLLBACK PREPARED {name}",
    # New rows are copies of the first one, so that they reference rows that are not changed.
    StepKind.INSERT: "INSERT INTO {table} ({columns}) SELECT {values} FROM {table} WHERE {key} = 1",
    StepKind.UPDATE: "UPDATE {table} SET {mark} = {value}, last_updated = {stamp} WHERE {key} = {number}",
    StepKind.DELETE: "DELETE FROM {table} WHERE {key} = {number}",
    StepKind.CHANGE_KEY: (
        "UPDATE {table} SET {key} = {target}, {mark} = {value}, last_updated = {stamp} WHERE {key} = {number}"
    ),
    StepKind.LOCK: "SELECT FROM {table} WHERE {key} = {number} FOR UPDATE",
}
_STATEMENTS[StepKind.DEEP_UPDATE] = f"SAVEPOINT deep; {_STATEMENTS[StepKind.UPDATE]}; " * DEPTH
_WRITES = {StepKind.INSERT, StepKind.UPDATE, StepKind.DELETE, StepKind.CHANGE_KEY}


class StepError(Exception):
    """A step did not do what its schedule says: the schedule is impossible."""

    def __init__(self, interleaving: int, step: ScheduleStep, reason: str) -> None:
        """Name the interleaving and the step, with the reason."""
        super().__init__(f"interleaving {interleaving}: {str(step).strip()}: {reason}")


class Sessions:
    """The connections with open transactions, each reused when its transaction has ended."""

    def __init__(self, url: str) -> None:
        """Connect to the totesys at `url` as its owner, as often as needed."""
        self._url = url
        self._stack = ExitStack()
        self._idle: list[psycopg.Connection] = []
        self._busy: dict[tuple[int, int], psycopg.Connection] = {}

    def __enter__(self) -> Self:
        """Return the sessions."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close all connections, which rolls back open transactions."""
        self._stack.close()

    def do(self, interleaving: int, step: ScheduleStep) -> None:
        """Execute one step; raise `StepError` if it fails or does not change exactly one row."""
        transaction = (interleaving, step.transaction)
        if step.action is StepKind.BEGIN:
            self._busy[transaction] = self._idle.pop() if self._idle else self._connect()
        if step.action in {StepKind.COMMIT_PREPARED, StepKind.ROLLBACK_PREPARED}:
            connection = self._any_idle()
        else:
            connection = self._busy[transaction]
        try:
            changed = connection.execute(_statement(interleaving, step)).rowcount
        except psycopg.Error as error:
            raise StepError(interleaving, step, str(error)) from error
        if step.action in _WRITES and changed != 1:
            raise StepError(interleaving, step, f"{changed} rows were changed")
        if step.action in {StepKind.COMMIT, StepKind.ROLLBACK, StepKind.PREPARE}:
            self._idle.append(self._busy.pop(transaction))

    def _any_idle(self) -> psycopg.Connection:
        if not self._idle:
            self._idle.append(self._connect())
        return self._idle[-1]

    def _connect(self) -> psycopg.Connection:
        connection = psycopg.connect(self._url, autocommit=True, prepare_threshold=None, options=_OPTIONS)
        return self._stack.enter_context(connection)


def _statement(interleaving: int, step: ScheduleStep) -> sql.Composed:
    words = {
        "savepoint": sql.Identifier(step.savepoint or "none"),
        "name": sql.Literal(f"{interleaving}/{step.transaction}"),
        **(_words(step.row, step) if step.row else {}),
    }
    return sql.SQL(_STATEMENTS[step.action]).format(**words)


def _words(row: RowId, step: ScheduleStep) -> dict[str, sql.Composable]:
    table, mark = SOURCE_TABLES[row.table], _MARKED[row.table]
    [key] = table.key
    number, stamp = sql.Literal(row.key), sql.SQL(step.stamp or "")
    # An untyped literal, valid for numbers and text.
    value = sql.SQL(f"'{step.mark}'")
    new: dict[str, sql.Composable] = {key: number, mark: value, "created_at": stamp, "last_updated": stamp}
    return {
        "table": sql.Identifier("public", row.table),
        "key": sql.Identifier(key),
        "number": number,
        "target": sql.Literal(step.target.key) if step.target else number,
        "mark": sql.Identifier(mark),
        "value": value,
        "stamp": stamp,
        "columns": sql.SQL(", ").join(map(sql.Identifier, table.column_names)),
        "values": sql.SQL(", ").join(new.get(name, sql.Identifier(name)) for name in table.column_names),
    }

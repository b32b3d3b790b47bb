"""The executions of queries: each runs in a thread of its own, and goes on whatever becomes of who handed it in."""

import threading
import time
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import duckdb
from sqlglot import exp

from local_aws.athena import results, utility, values
from local_aws.athena.catalog import Catalog
from local_aws.athena.engine import Engine
from local_aws.athena.errors import QueryError, of_duckdb
from local_aws.athena.statements import Show, Statement
from local_aws.athena.values import ColumnInfo

QUEUED, RUNNING, SUCCEEDED, FAILED, CANCELLED = "QUEUED", "RUNNING", "SUCCEEDED", "FAILED", "CANCELLED"

_INTERRUPTED_EVERY = 0.05

type Write = Callable[[str, bytes], None]
"""Writes the object at an address of S3."""


@dataclass(frozen=True, slots=True)
class Request:
    """What was handed in, and what the workgroup makes of it: where the result goes, and how much may be read."""

    text: str
    workgroup: str
    database: str
    catalog: str
    output: str
    settings: dict[str, Any]
    most_bytes: int | None
    parameters: list[str]


@dataclass(slots=True)
class Execution:
    """One execution: how far it is, and what came of it."""

    request: Request
    type: str = "DML"
    subtype: str = "SELECT"
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    state: str = QUEUED
    reason: str | None = None
    error: dict[str, object] | None = None
    columns: list[ColumnInfo] = field(default_factory=list)
    rows: int = 0
    scanned: int = 0
    engine_seconds: float = 0.0
    writing_seconds: float = 0.0
    submitted: datetime = field(default_factory=lambda: datetime.now(UTC))
    completed: datetime | None = None
    _engine: Engine | None = None
    _thread: threading.Thread | None = None

    @property
    def output(self) -> str:
        """The address of the result."""
        return f"{self.request.output.rstrip('/')}/{self.id}.{'csv' if self.type == 'DML' else 'txt'}"

    @property
    def ended(self) -> bool:
        """Whether it will not change any more."""
        return self.state in {SUCCEEDED, FAILED, CANCELLED}

    def start(self, statement: Statement, catalog: Catalog, write: Write) -> None:
        """Carry out a statement in the background, and write what comes of it to its place."""
        self.type, self.subtype = statement.type, statement.subtype
        self._thread = threading.Thread(
            target=self._run, args=(statement, catalog, write), name=f"athena-{self.id[:8]}", daemon=True
        )
        self._thread.start()

    def fail(self, error: QueryError) -> None:
        """End it: it cannot be carried out."""
        self._end(FAILED, str(error), error.athena_error)

    def cancel(self) -> None:
        """Break it off, unless it has ended."""
        self._end(CANCELLED, "Query cancelled by user")
        while (engine := self._engine) and self._thread:  # DuckDB forgets an interruption that comes before its query
            engine.interrupt()
            self._thread.join(_INTERRUPTED_EVERY)

    def _run(self, statement: Statement, catalog: Catalog, write: Write) -> None:
        if not self.ended:
            self.state = RUNNING
        began = time.monotonic()
        try:
            content = b"".join(self._carry_out(statement, catalog))
            self.engine_seconds = time.monotonic() - began
            if self._read_too_much():
                return
            if not self.ended:
                write(self.output, content)
                self.writing_seconds = time.monotonic() - began - self.engine_seconds
        except QueryError as error:
            self.fail(error)
        except duckdb.Error as error:
            self.fail(of_duckdb(error, exp.Select()))
        except Exception as error:  # noqa: BLE001 - the end of a thread: what came of it has to be told
            self.fail(QueryError("GENERIC_INTERNAL_ERROR", f"{type(error).__name__}: {error}"))
        else:
            self._end(SUCCEEDED)

    def _carry_out(self, statement: Statement, catalog: Catalog) -> Iterable[bytes]:
        match statement.asked:
            case Show():
                self.columns, lines = utility.show(statement.asked, catalog, self.request.database)
                return results.lines(lines)
            case exp.Create():
                utility.create_view(statement.asked, catalog, self.request.database)
            case exp.Drop():
                utility.drop_view(statement.asked, catalog, self.request.database)
            case query:
                return self._select(query, catalog)
        return []

    def _select(self, query: exp.Expr, catalog: Catalog) -> list[bytes]:
        self._engine = Engine(catalog, self.request.database)
        try:
            if self.ended:
                return []
            outcome = self._engine.run(query)
            self.columns = [values.column_info(name, kind) for name, kind in outcome.columns]
            names = [name for name, _ in outcome.columns]
            lines = list(results.table(names, (map(values.text, row) for row in outcome.rows)))
            self.rows, self.scanned = len(lines) - 1, self._engine.bytes_scanned()
            return lines
        finally:
            engine, self._engine = self._engine, None
            engine.close()

    def _read_too_much(self) -> bool:
        """Hold what was read to the limit of the workgroup."""
        most = self.request.most_bytes
        if most is None or self.scanned <= most:
            return False
        self._end(CANCELLED, f"Bytes scanned limit was exceeded: {self.scanned} bytes are more than {most}")
        return True

    def _end(self, state: str, reason: str | None = None, error: dict[str, object] | None = None) -> None:
        if not self.ended:
            self.completed, self.reason, self.error = datetime.now(UTC), reason, error
            self.state = state

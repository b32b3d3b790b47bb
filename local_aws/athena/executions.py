"""Query executions: each runs in its own thread, independent of the client that submitted it."""

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
from local_aws.athena.catalog import QueryCatalog
from local_aws.athena.engine import Engine
from local_aws.athena.errors import QueryError, from_duckdb
from local_aws.athena.statements import AthenaStatement, ShowStatement
from local_aws.athena.values import ColumnInfo

QUEUED, RUNNING, SUCCEEDED, FAILED, CANCELLED = "QUEUED", "RUNNING", "SUCCEEDED", "FAILED", "CANCELLED"

_INTERRUPT_SECONDS = 0.05

type Write = Callable[[str, bytes], None]
"""Writes an object at an S3 URI."""


@dataclass(frozen=True, slots=True)
class QueryRequest:
    """A submitted query, with the result location and the scan limit of its workgroup."""

    text: str
    workgroup: str
    database: str
    catalog: str
    output: str
    settings: dict[str, Any]
    max_bytes_scanned: int | None
    parameters: list[str]


@dataclass(slots=True)
class QueryExecution:
    """A query execution: its state and result."""

    request: QueryRequest
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
        """The S3 URI of the result."""
        return f"{self.request.output.rstrip('/')}/{self.id}.{'csv' if self.type == 'DML' else 'txt'}"

    @property
    def ended(self) -> bool:
        """Whether the state is final."""
        return self.state in {SUCCEEDED, FAILED, CANCELLED}

    def start(self, statement: AthenaStatement, catalog: QueryCatalog, write: Write) -> None:
        """Execute a statement in a thread, and write its result to `output`."""
        self.type, self.subtype = statement.type, statement.subtype
        self._thread = threading.Thread(
            target=self._run, args=(statement, catalog, write), name=f"athena-{self.id[:8]}", daemon=True
        )
        self._thread.start()

    def fail(self, error: QueryError) -> None:
        """End the execution with an error."""
        self._end(FAILED, str(error), error.athena_error)

    def cancel(self) -> None:
        """Cancel the execution, unless it has ended."""
        self._end(CANCELLED, "Query cancelled by user")
        while (engine := self._engine) and self._thread:  # DuckDB ignores an interrupt before the start of its query
            engine.interrupt()
            self._thread.join(_INTERRUPT_SECONDS)

    def _run(self, statement: AthenaStatement, catalog: QueryCatalog, write: Write) -> None:
        if not self.ended:
            self.state = RUNNING
        started = time.monotonic()
        try:
            content = b"".join(self._execute(statement, catalog))
            self.engine_seconds = time.monotonic() - started
            if self._exceeds_scan_limit():
                return
            if not self.ended:
                write(self.output, content)
                self.writing_seconds = time.monotonic() - started - self.engine_seconds
        except QueryError as error:
            self.fail(error)
        except duckdb.Error as error:
            self.fail(from_duckdb(error, exp.Select()))
        except Exception as error:  # noqa: BLE001 - any failure in this thread becomes the state of the execution
            self.fail(QueryError("GENERIC_INTERNAL_ERROR", f"{type(error).__name__}: {error}"))
        else:
            self._end(SUCCEEDED)

    def _execute(self, statement: AthenaStatement, catalog: QueryCatalog) -> Iterable[bytes]:
        match statement.tree:
            case ShowStatement():
                self.columns, lines = utility.show(statement.tree, catalog, self.request.database)
                return results.lines(lines)
            case exp.Create():
                utility.create_view(statement.tree, catalog, self.request.database)
            case exp.Drop():
                utility.drop_view(statement.tree, catalog, self.request.database)
            case query:
                return self._select(query, catalog)
        return []

    def _select(self, query: exp.Expr, catalog: QueryCatalog) -> list[bytes]:
        self._engine = Engine(catalog, self.request.database)
        try:
            if self.ended:
                return []
            result = self._engine.run(query)
            self.columns = [values.column_info(name, type_) for name, type_ in result.columns]
            names = [name for name, _ in result.columns]
            lines = list(results.table(names, (map(values.text, row) for row in result.rows)))
            self.rows, self.scanned = len(lines) - 1, self._engine.bytes_scanned()
            return lines
        finally:
            engine, self._engine = self._engine, None
            engine.close()

    def _exceeds_scan_limit(self) -> bool:
        """Cancel the execution and return True when it scanned more bytes than its workgroup allows."""
        limit = self.request.max_bytes_scanned
        if limit is None or self.scanned <= limit:
            return False
        self._end(CANCELLED, f"Bytes scanned limit was exceeded: {self.scanned} bytes are more than {limit}")
        return True

    def _end(self, state: str, reason: str | None = None, error: dict[str, object] | None = None) -> None:
        if not self.ended:
            self.completed, self.reason, self.error = datetime.now(UTC), reason, error
            self.state = state


class QueryExecutions:
    """All executions of one region, by id."""

    def __init__(self) -> None:
        """Begin without executions."""
        self._lock = threading.Lock()
        self._executions: dict[str, QueryExecution] = {}
        self._by_token: dict[str, QueryExecution] = {}

    def submit(self, request: QueryRequest, token: str | None) -> tuple[QueryExecution, bool]:
        """Return a new execution, or the one that was submitted with the same token, and whether it is new."""
        with self._lock:
            if token and token in self._by_token:
                return self._by_token[token], False
            execution = QueryExecution(request)
            self._executions[execution.id] = execution
            if token:
                self._by_token[token] = execution
        return execution, True

    def get(self, identifier: str) -> QueryExecution | None:
        """Return an execution; None when there is none with this id."""
        return self._executions.get(identifier)

    def newest_first(self) -> list[QueryExecution]:
        """Return all executions, the latest first."""
        return list(reversed(self._executions.values()))

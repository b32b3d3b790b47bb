"""Statements that were handed in: each batch runs in a thread of its own, as one transaction."""

import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import psycopg
from psycopg import IsolationLevel
from sqlglot import exp

from local_aws.redshift import dialect
from local_aws.redshift.copying import Copy, CopyError

SUBMITTED, STARTED, FINISHED, FAILED, ABORTED = "SUBMITTED", "STARTED", "FINISHED", "FAILED", "ABORTED"


@dataclass(slots=True)
class Statement:
    """One statement: what it is, how far it is, and what came of it."""

    id: str
    text: str
    status: str = SUBMITTED
    error: str | None = None
    columns: list[str] | None = None
    rows: list[tuple[Any, ...]] = field(default_factory=list)
    affected: int = -1
    created_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    updated_at: datetime = field(default_factory=lambda: datetime.now(UTC))

    @property
    def ended(self) -> bool:
        """Whether it will not change any more."""
        return self.status in {FINISHED, FAILED, ABORTED}

    def come_to(self, status: str, error: str | None = None) -> None:
        """Note how far it is."""
        self.status, self.error, self.updated_at = status, error, datetime.now(UTC)


@dataclass(slots=True)
class Batch:
    """Statements that run as one transaction, in order; `request` is how they were asked for."""

    request: dict[str, Any]
    whole: Statement
    parts: list[Statement]
    _connection: psycopg.Connection[Any] | None = None

    @classmethod
    def of(cls, request: dict[str, Any], texts: list[str]) -> "Batch":
        """Return a batch of `texts` with an id that no other has."""
        identifier = str(uuid.uuid4())
        parts = [Statement(f"{identifier}:{number}", text) for number, text in enumerate(texts, 1)]
        return cls(request, Statement(identifier, "\n".join(texts)), parts)

    def start(self, url: Callable[[], str], account: str) -> None:
        """Run it against the database at `url`, with the buckets of `account`, and return at once."""
        threading.Thread(
            target=self._run, args=(url, account), name=f"redshift-{self.whole.id[:8]}", daemon=True
        ).start()

    def cancel(self) -> bool:
        """Break it off; return whether it was still under way."""
        if self.whole.ended:
            return False
        self.whole.come_to(ABORTED)
        if self._connection:
            self._connection.cancel()
        return True

    def _run(self, url: Callable[[], str], account: str) -> None:
        if not self.whole.ended:
            self.whole.come_to(STARTED)
        try:
            with psycopg.connect(url()) as self._connection:
                self._connection.isolation_level = IsolationLevel.REPEATABLE_READ
                for part in self.parts:
                    self._carry_out(self._connection, part, account)
                if self.whole.ended:
                    self._connection.rollback()
        except Exception as error:  # noqa: BLE001 - the end of a thread: what came of it has to be told
            self._fail(error)
        else:
            self._end(FINISHED)

    def _carry_out(self, connection: psycopg.Connection[Any], part: Statement, account: str) -> None:
        part.come_to(STARTED)
        tree, in_postgres = dialect.translated(part.text)
        if isinstance(tree, exp.Copy):
            Copy.of(tree).run(connection, account)
            part.affected = 0  # as the Data API says of every COPY
        else:
            cursor = connection.execute(in_postgres.encode())
            if cursor.description:
                part.columns, part.rows = [column.name for column in cursor.description], cursor.fetchall()
            part.affected = len(part.rows) if cursor.description else cursor.rowcount
        if isinstance(tree, exp.TruncateTable):
            connection.commit()
        part.come_to(FINISHED)

    def _fail(self, error: Exception) -> None:
        known = isinstance(error, psycopg.Error | dialect.RedshiftSyntaxError | CopyError)
        said = f"ERROR: {error}" if known else f"ERROR: {type(error).__name__}: {error}"
        for part in self.parts:
            if part.status == STARTED:
                part.come_to(FAILED, said)
            elif not part.ended:
                part.come_to(ABORTED)
        self._end(FAILED, said)

    def _end(self, status: str, error: str | None = None) -> None:
        self._connection = None
        if not self.whole.ended:
            self.whole.come_to(status, error)


def cell(value: Any) -> dict[str, Any]:
    """Return `value` as the Data API tells it."""
    if value is None:
        return {"isNull": True}
    if isinstance(value, bool):
        return {"booleanValue": value}
    if isinstance(value, int):
        return {"longValue": value}
    if isinstance(value, float):
        return {"doubleValue": value}
    return {"stringValue": f"{value:f}" if isinstance(value, Decimal) else str(value)}

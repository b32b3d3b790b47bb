"""Submitted statements: each batch runs in its own thread, as one transaction."""

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

_STRINGS_AS_GENERATED = "SET standard_conforming_strings = on; SET client_encoding = 'UTF8'"
"""The settings with which Postgres reads every string as it was generated.

Without the first a backslash escapes the quote after it. In some encodings, such as SJIS, a backslash is the second
byte of a character: it would not escape another one in an E'…' string.
"""

SUBMITTED, STARTED, FINISHED, FAILED, ABORTED = "SUBMITTED", "STARTED", "FINISHED", "FAILED", "ABORTED"


@dataclass(slots=True)
class DataStatement:
    """A statement: its text, status and result."""

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
    def has_ended(self) -> bool:
        """Whether the status is final."""
        return self.status in {FINISHED, FAILED, ABORTED}

    def set_status(self, status: str, error: str | None = None) -> None:
        """Change the status and the time of the last update."""
        self.status, self.error, self.updated_at = status, error, datetime.now(UTC)


@dataclass(slots=True)
class StatementBatch:
    """Statements that run as one transaction, in order; `request` has the parameters of the request."""

    request: dict[str, Any]
    whole: DataStatement
    parts: list[DataStatement]
    user_id: str | None = None
    """The `aws:userid` of the session that submitted it; None for one that no role limits."""
    _connection: psycopg.Connection[Any] | None = None

    @classmethod
    def of(cls, request: dict[str, Any], texts: list[str], user_id: str | None = None) -> "StatementBatch":
        """Return a batch of the statements `texts` with a new id."""
        identifier = str(uuid.uuid4())
        parts = [DataStatement(f"{identifier}:{number}", text) for number, text in enumerate(texts, 1)]
        return cls(request, DataStatement(identifier, "\n".join(texts)), parts, user_id)

    def start(self, url: Callable[[], str], account: str) -> None:
        """Start the batch in a thread, on the database at `url`, with the buckets of `account`."""
        threading.Thread(
            target=self._run, args=(url, account), name=f"redshift-{self.whole.id[:8]}", daemon=True
        ).start()

    def cancel(self) -> bool:
        """Cancel the batch; return False when it has already ended."""
        if self.whole.has_ended:
            return False
        self.whole.set_status(ABORTED)
        if self._connection:
            self._connection.cancel()
        return True

    def _run(self, url: Callable[[], str], account: str) -> None:
        if not self.whole.has_ended:
            self.whole.set_status(STARTED)
        try:
            with psycopg.connect(url()) as self._connection:
                self._connection.isolation_level = IsolationLevel.REPEATABLE_READ
                for part in self.parts:
                    self._execute(self._connection, part, account)
                if self.whole.has_ended:
                    self._connection.rollback()
        except Exception as error:  # noqa: BLE001 - any failure in this thread becomes the status of the batch
            self._fail(error)
        else:
            self._end(FINISHED)

    def _execute(self, connection: psycopg.Connection[Any], part: DataStatement, account: str) -> None:
        part.set_status(STARTED)
        tree, postgres_sql = dialect.translate(part.text)
        if isinstance(tree, exp.Copy):
            Copy.of(tree).run(connection, account)
            part.affected = 0  # the Data API returns 0 for every COPY
        else:
            connection.execute(_STRINGS_AS_GENERATED)  # an earlier statement of the batch may have changed them
            # Postgres prepares one statement only: text that the parser misunderstood cannot contain another.
            cursor = connection.execute(postgres_sql.encode(), prepare=True)
            if cursor.description:
                part.columns, part.rows = [column.name for column in cursor.description], cursor.fetchall()
            part.affected = len(part.rows) if cursor.description else cursor.rowcount
        if isinstance(tree, exp.TruncateTable):
            connection.commit()
        part.set_status(FINISHED)

    def _fail(self, error: Exception) -> None:
        is_expected = isinstance(error, psycopg.Error | dialect.RedshiftSyntaxError | CopyError)
        message = f"ERROR: {error}" if is_expected else f"ERROR: {type(error).__name__}: {error}"
        for part in self.parts:
            if part.status == STARTED:
                part.set_status(FAILED, message)
            elif not part.has_ended:
                part.set_status(ABORTED)
        self._end(FAILED, message)

    def _end(self, status: str, error: str | None = None) -> None:
        self._connection = None
        if not self.whole.has_ended:
            self.whole.set_status(status, error)


def cell(value: Any) -> dict[str, Any]:
    """Return `value` as a Field of the Data API."""
    if value is None:
        return {"isNull": True}
    if isinstance(value, bool):
        return {"booleanValue": value}
    if isinstance(value, int):
        return {"longValue": value}
    if isinstance(value, float):
        return {"doubleValue": value}
    return {"stringValue": f"{value:f}" if isinstance(value, Decimal) else str(value)}

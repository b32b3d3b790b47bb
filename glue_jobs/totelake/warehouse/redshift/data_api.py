"""The Redshift Data API: runs statements as one transaction, and returns their results.

It is asynchronous and without a connection: submitted statements run to their end whatever happens to the client, which
polls their status. See docs.aws.amazon.com/redshift-data/latest/APIReference: up to 40 statements of up to 100 KB each.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import count
from typing import Any
from uuid import uuid4

import boto3
from psycopg import sql

from totelake.runtime import log
from totelake.runtime.error_mapping import explain_message
from totelake.runtime.errors import StatementError

MAX_STATEMENTS = 40
"""The maximum number of statements in one transaction."""

# Exponential backoff between polls: short statements are noticed quickly, long ones polled every few seconds.
_INITIAL_WAIT, _BACKOFF, _MAX_WAIT = 0.05, 1.5, 5.0
LOG_WAIT_SECONDS = 60.0
"""The interval at which statements that are still running are logged."""
_ENDED = {"FINISHED", "FAILED", "ABORTED"}

_MAX_LOGGED_CHARACTERS = 2_000

type Row = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class CommittedStatements:
    """The statements of a committed transaction, with access to their results."""

    client: Any
    id: str
    statements: tuple[dict[str, Any], ...]

    def results(self) -> list[list[Row]]:
        """Return the rows of every statement with a result set, in order."""
        return [list(self._rows(each["Id"])) for each in self.statements if each.get("HasResultSet")]

    def _rows(self, statement: str) -> Iterator[Row]:
        for page in self.client.get_paginator("get_statement_result").paginate(Id=statement):
            for record in page["Records"]:
                yield tuple(None if cell.get("isNull") else next(iter(cell.values())) for cell in record)


@dataclass(frozen=True)
class DataApi:
    """A database of a serverless workgroup, and the secret with its credentials."""

    workgroup: str
    database: str
    secret: str = field(repr=False)

    @property
    def place(self) -> str:
        """The workgroup and the database, for messages."""
        return f"database {self.database} of the Redshift workgroup {self.workgroup}"

    def run(self, statements: Sequence[sql.Composable], name: str = "totelake") -> CommittedStatements:
        """Run up to `MAX_STATEMENTS` statements as one transaction and wait for its end.

        `name` is shown in the workgroup's list of statements. Raises `StatementError` with the statement that failed,
        or a `TransientError`; the transaction is then rolled back.
        """
        submitted = self._client.batch_execute_statement(
            WorkgroupName=self.workgroup,
            Database=self.database,
            SecretArn=self.secret,
            Sqls=[statement.as_string() for statement in statements],
            StatementName=name,
            # Idempotency key: the SDK sends the same one when it retries the request.
            ClientToken=uuid4().hex,
        )
        return self._wait(submitted["Id"])

    def rows(self, statement: sql.Composable) -> list[Row]:
        """Return the rows of one statement."""
        (rows,) = self.run([statement]).results()
        return rows

    @cached_property
    def _client(self) -> Any:
        return boto3.client("redshift-data")

    def _wait(self, identifier: str) -> CommittedStatements:
        """Wait until the statements have ended, and log every minute: Redshift has no lock timeout."""
        began = logged = time.monotonic()
        for poll in count():
            description = self._client.describe_statement(Id=identifier)
            if description["Status"] in _ENDED:
                break
            if (now := time.monotonic()) - logged >= LOG_WAIT_SECONDS:
                logged = now
                _log_wait(identifier, description, now - began)
            time.sleep(min(_MAX_WAIT, _INITIAL_WAIT * _BACKOFF ** min(poll, 20)))
        statements = tuple(description.get("SubStatements", ()))
        if description["Status"] == "FINISHED":
            return CommittedStatements(self._client, identifier, statements)
        failed = [index for index, each in enumerate(statements) if each["Status"] in {"FAILED", "ABORTED"}]
        message = description.get("Error") or "cancelled on user's request"
        raise explain_message(f"the warehouse ({self.place})", message) or StatementError(
            self.place, message, failed[0] if failed else None
        )


def _log_wait(identifier: str, description: dict[str, Any], seconds: float) -> None:
    """Log the running statement, and the query that shows the sessions blocking it."""
    started = [each["QueryString"] for each in description.get("SubStatements", ()) if each["Status"] == "STARTED"]
    log.event(
        "statement_wait",
        status="waiting",
        stage="load",
        seconds=round(seconds),
        statement_id=identifier,
        statement=" ".join(started)[:_MAX_LOGGED_CHARACTERS],
        blockers="SELECT txn_owner, pid, txn_start, lock_mode, relation FROM svv_transactions",
    )

"""The Redshift Data API: statements that run as one transaction, and what comes of them.

It holds no connection. Statements are handed in, run whatever becomes of who handed them in, and are asked after. See
docs.aws.amazon.com/redshift-data/latest/APIReference: up to 40 statements at a time, each of up to 100 KB.
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

from totelake.runtime import worklog
from totelake.runtime.error_mapping import said_by
from totelake.runtime.errors import StatementError

BATCH = 40
"""How many statements may run as one transaction."""

# The first is over before most statements have ended; a load of minutes is asked after every few seconds.
_FIRST_WAIT, _GROWTH, _LONGEST_WAIT = 0.05, 1.5, 5.0
SAY_AFTER_SECONDS = 60.0
"""After how long, and how often from then on, a log line says that statements have not ended."""
_ENDED = {"FINISHED", "FAILED", "ABORTED"}

_MOST_TEXT = 2_000

type Row = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Outcome:
    """Statements that were committed, and where their results are."""

    client: Any
    id: str
    statements: tuple[dict[str, Any], ...]

    def results(self) -> list[list[Row]]:
        """Return the rows of every statement that has any, in their order."""
        return [list(self._rows(each["Id"])) for each in self.statements if each.get("HasResultSet")]

    def _rows(self, statement: str) -> Iterator[Row]:
        for page in self.client.get_paginator("get_statement_result").paginate(Id=statement):
            for record in page["Records"]:
                yield tuple(None if cell.get("isNull") else next(iter(cell.values())) for cell in record)


@dataclass(frozen=True)
class DataApi:
    """A database of a serverless workgroup, and the secret by which the Data API logs in to it."""

    workgroup: str
    database: str
    secret: str = field(repr=False)

    @property
    def place(self) -> str:
        """The workgroup and the database, for messages."""
        return f"database {self.database} of the Redshift workgroup {self.workgroup}"

    def run(self, statements: Sequence[sql.Composable], name: str = "totelake") -> Outcome:
        """Run up to `BATCH` statements as one transaction and wait for its end.

        Whoever lists the statements of the workgroup sees them by their `name`. Raises `StatementError`, which knows
        the statement that failed, or the `TransientError` that a repetition may get past; nothing of them is then
        there.
        """
        submitted = self._client.batch_execute_statement(
            WorkgroupName=self.workgroup,
            Database=self.database,
            SecretArn=self.secret,
            Sqls=[statement.as_string() for statement in statements],
            StatementName=name,
            # The same one when the SDK sends the request again because its answer was lost.
            ClientToken=uuid4().hex,
        )
        return self._ended(submitted["Id"])

    def rows(self, statement: sql.Composable) -> list[Row]:
        """Return the rows of one statement."""
        (rows,) = self.run([statement]).results()
        return rows

    @cached_property
    def _client(self) -> Any:
        return boto3.client("redshift-data")

    def _ended(self, identifier: str) -> Outcome:
        """Wait until the statements have ended, and log that every minute: Redshift waits for a lock without bound."""
        began = logged = time.monotonic()
        for asked in count():
            told = self._client.describe_statement(Id=identifier)
            if told["Status"] in _ENDED:
                break
            if (now := time.monotonic()) - logged >= SAY_AFTER_SECONDS:
                logged = now
                _say_waiting(identifier, told, now - began)
            time.sleep(min(_LONGEST_WAIT, _FIRST_WAIT * _GROWTH ** min(asked, 20)))
        statements = tuple(told.get("SubStatements", ()))
        if told["Status"] == "FINISHED":
            return Outcome(self._client, identifier, statements)
        failed = [place for place, each in enumerate(statements) if each["Status"] in {"FAILED", "ABORTED"}]
        said = told.get("Error") or "cancelled on user's request"
        raise said_by(f"the warehouse ({self.place})", said) or StatementError(
            self.place, said, failed[0] if failed else None
        )


def _say_waiting(identifier: str, told: dict[str, Any], seconds: float) -> None:
    """Log which statement is under way for so long, and where Redshift says who blocks it."""
    started = [each["QueryString"] for each in told.get("SubStatements", ()) if each["Status"] == "STARTED"]
    worklog.say(
        "statement_wait",
        status="waiting",
        stage="load",
        seconds=round(seconds),
        statement_id=identifier,
        statement=" ".join(started)[:_MOST_TEXT],
        blockers="SELECT txn_owner, pid, txn_start, lock_mode, relation FROM svv_transactions",
    )

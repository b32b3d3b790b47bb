"""The batches of statements of a local Redshift."""

import threading
from collections.abc import Callable, Iterator
from typing import Any

from moto.redshiftdata.exceptions import ResourceNotFoundException

from local_aws.redshift.statements import DataStatement, StatementBatch

type DatabaseUrls = Callable[[str, str], str]
"""Returns the URL of the Postgres database for a database of a workgroup or cluster, created if need be."""


class StatementBatches:
    """All batches that were submitted, by id; `databases` are those in which they run."""

    def __init__(self, databases: DatabaseUrls) -> None:
        """Begin without batches."""
        self.databases = databases
        self._lock = threading.Lock()
        self._batches: dict[str, StatementBatch] = {}
        self._by_token: dict[tuple[str | None, str], StatementBatch] = {}
        """By the `aws:userid` of the session, and the client token."""

    def submit(
        self, request: dict[str, Any], texts: list[str], token: str | None, user_id: str | None
    ) -> tuple[StatementBatch, bool]:
        """Return a new batch, or the one that the same session submitted with the same token, and whether it is new."""
        with self._lock:
            if token and (user_id, token) in self._by_token:
                return self._by_token[user_id, token], False
            batch = StatementBatch.of(request, texts, user_id)
            self._batches[batch.whole.id] = batch
            if token:
                self._by_token[user_id, token] = batch
        return batch, True

    def find(self, identifier: str) -> tuple[StatementBatch, DataStatement]:
        """Return a batch, and the statement in it with this id: the whole batch, or a part; or raise moto's error."""
        batch = self._of(identifier)
        for statement in (batch.whole, *batch.parts) if batch else ():
            if batch and statement.id == identifier:
                return batch, statement
        raise ResourceNotFoundException

    def owner(self, identifier: str) -> str | None:
        """Return the `aws:userid` of the session that submitted a statement, or the batch of which it is a part."""
        batch = self._of(identifier)
        return batch.user_id if batch else None

    def newest_first(self) -> Iterator[StatementBatch]:
        """Yield all batches, the latest first."""
        yield from reversed(list(self._batches.values()))

    def _of(self, identifier: str) -> StatementBatch | None:
        return self._batches.get(identifier.partition(":")[0])

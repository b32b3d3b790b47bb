"""The commit log of a zone: the immutable objects `log/00000001.json`, `log/00000002.json`, …."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol, Self

import boto3
from botocore.exceptions import ClientError

from totelake.runtime.clients import READER_THREADS, Clients, s3_for_readers
from totelake.runtime.errors import CommitConflictError, LogError

_PREFIX = "log/"


class CommitRecord(Protocol):
    """The interface of every commit record."""

    @property
    def sequence(self) -> int:
        """The record's sequence number, from 1, without gaps."""

    @property
    def batch_id(self) -> str:
        """The id of the attempt that wrote the files."""

    def to_json(self) -> dict[str, Any]:
        """Return the record as JSON types."""

    @classmethod
    def from_json(cls, record: dict[str, Any]) -> Self:
        """Return the batch from its JSON `record`."""


class CommitLog[B: CommitRecord]:
    """The committed batches of one bucket, in order."""

    def __init__(self, bucket: str, batch: type[B], aws: Clients = boto3) -> None:
        """Open the log of `bucket`, whose records have the type `batch`."""
        self.bucket = bucket
        self._batch = batch
        self._s3 = s3_for_readers(aws)

    def last_sequence(self) -> int:
        """Return the highest committed sequence number, 0 when nothing has been committed."""
        pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=_PREFIX)
        keys = [item["Key"] for page in pages for item in page.get("Contents", [])]
        if keys != [_key(number) for number in range(1, len(keys) + 1)]:
            raise LogError(
                f"s3://{self.bucket}/{_PREFIX}: the records are not numbered 1 to {len(keys)} without gaps. "
                f"A record was removed or added manually: restore it from its object version."
            )
        return len(keys)

    def read(self, sequence: int) -> B:
        """Return the batch committed as `sequence`; raise `LogError` when its record cannot be read."""
        body = self._s3.get_object(Bucket=self.bucket, Key=_key(sequence))["Body"].read()
        try:
            return self._batch.from_json(json.loads(body))
        except (ValueError, TypeError, KeyError) as error:
            raise LogError(f"s3://{self.bucket}/{_key(sequence)}: not a commit record: {error}.") from error

    def since(self, sequence: int) -> list[B]:
        """Return the batches committed after `sequence`, in order."""
        with ThreadPoolExecutor(READER_THREADS) as readers:
            return list(readers.map(self.read, range(sequence + 1, self.last_sequence() + 1)))

    def backwards(self) -> Iterator[B]:
        """Yield the committed batches lazily, the newest first."""
        return map(self.read, range(self.last_sequence(), 0, -1))

    def commit(self, batch: B) -> None:
        """Commit `batch` atomically; raise `CommitConflictError` when its sequence number is taken."""
        body = json.dumps(batch.to_json(), indent=1).encode()
        try:
            self._s3.put_object(
                Bucket=self.bucket,
                Key=_key(batch.sequence),
                Body=body,
                ContentType="application/json",
                IfNoneMatch="*",
            )
        except ClientError as error:
            if error.response["Error"]["Code"] not in {"PreconditionFailed", "ConditionalRequestConflict"}:
                raise
            # A request that the SDK retries, because its response was lost, conflicts with its own record.
            if self.last_sequence() < batch.sequence or self.read(batch.sequence).batch_id != batch.batch_id:
                raise CommitConflictError(self.bucket, batch.sequence, batch.batch_id) from error


def _key(sequence: int) -> str:
    return f"{_PREFIX}{sequence:08d}.json"

"""The commit log of a zone: the immutable objects `log/00000001.json`, `log/00000002.json`, ….

Readers start with the newest checkpoint: they list and read only the records after it.
"""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import Any, Protocol, Self

import boto3
from botocore.exceptions import ClientError

from totelake.lake.checkpoints import INTERVAL, Checkpoint, Checkpoints
from totelake.lake.file_sets import NOT_A_RECORD, FilesOfBatch, LiveFiles
from totelake.runtime.clients import READER_THREADS, Clients, s3_for_readers
from totelake.runtime.errors import CommitConflictError, LogError

PREFIX = "log/"


class CommitRecord(FilesOfBatch, Protocol):
    """The interface of every commit record; their sequence numbers have no gaps from 1."""

    @property
    def batch_id(self) -> str:
        """The id of the attempt that wrote the files."""

    @property
    def run_id(self) -> str:
        """The id of the job run."""

    @property
    def code_version(self) -> str:
        """The version of the code that wrote it."""

    @property
    def committed_at(self) -> str:
        """The time of the commit, ISO 8601."""

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
        self._read: dict[int, B] = {}
        self._last: int | None = None
        self.checkpoints = Checkpoints(bucket, self._s3)

    @property
    def checkpoint(self) -> Checkpoint:
        """The newest checkpoint when it was first needed."""
        return self._newest[0]

    @property
    def next_checkpoint(self) -> int:
        """The number of the checkpoint after the newest one."""
        return self._newest[1]

    @cached_property
    def _newest(self) -> tuple[Checkpoint, int]:
        return self.checkpoints.newest()

    def last_sequence(self) -> int:
        """Return the highest committed sequence number, 0 when nothing has been committed.

        It is that of the first call, or of the last commit by this log: later batches of others are left out.
        """
        if self._last is None:
            self._last = self._listed()
        return self._last

    def _listed(self) -> int:
        """Return the highest sequence number in a list of the records from the checkpoint on."""
        known = self.checkpoint.files.sequence
        options = {"StartAfter": key(known - 1)} if known > 1 else {}
        pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=PREFIX, **options)
        keys = [item["Key"] for page in pages for item in page.get("Contents", [])]
        first = max(known, 1)
        last = first + len(keys) - 1
        if keys != [key(number) for number in range(first, last + 1)] or last < known:
            raise LogError(
                f"s3://{self.bucket}/{PREFIX}: the records are not numbered {first} to {max(last, known)} without "
                f"gaps. A record was removed or added manually: restore it from its object version."
            )
        return last

    def read(self, sequence: int) -> B:
        """Return the batch committed as `sequence`; raise `LogError` when its record cannot be read."""
        if sequence not in self._read:
            self._read[sequence] = self._from_object(sequence)
        return self._read[sequence]

    def _from_object(self, sequence: int) -> B:
        body = self._s3.get_object(Bucket=self.bucket, Key=key(sequence))["Body"].read()
        try:
            return self._batch.from_json(json.loads(body))
        except NOT_A_RECORD as error:
            raise LogError(f"s3://{self.bucket}/{key(sequence)}: not a commit record: {error}.") from error

    def since(self, sequence: int) -> list[B]:
        """Return the batches committed after `sequence`, in order."""
        return self.between(sequence, self.last_sequence())

    def between(self, sequence: int, last: int) -> list[B]:
        """Return the batches committed after `sequence` up to `last`, in order."""
        with ThreadPoolExecutor(READER_THREADS) as readers:
            return list(readers.map(self.read, range(sequence + 1, last + 1)))

    def live_files(self, last: int | None = None) -> LiveFiles:
        """Return the files of the zone after the batch `last`, which the checkpoint covers or not, or after all."""
        files = self.checkpoint.files
        return files.after(self.between(files.sequence, self.last_sequence() if last is None else last))

    def backwards(self) -> Iterator[B]:
        """Yield the committed batches lazily, the newest first."""
        return map(self.read, range(self.last_sequence(), 0, -1))

    def commit(self, batch: B) -> None:
        """Commit `batch` atomically, and write a checkpoint if one is due.

        Raises `CommitConflictError` when the sequence number of `batch` is taken.
        """
        body = json.dumps(batch.to_json(), indent=1).encode()
        try:
            self._s3.put_object(
                Bucket=self.bucket,
                Key=key(batch.sequence),
                Body=body,
                ContentType="application/json",
                IfNoneMatch="*",
            )
        except ClientError as error:
            if error.response["Error"]["Code"] not in {"PreconditionFailed", "ConditionalRequestConflict"}:
                raise
            self._last = None
            # A request that the SDK retries, because its response was lost, conflicts with its own record.
            if self.last_sequence() < batch.sequence or self.read(batch.sequence).batch_id != batch.batch_id:
                raise CommitConflictError(self.bucket, batch.sequence, batch.batch_id) from error
        self._read[batch.sequence], self._last = batch, batch.sequence
        if batch.sequence - self.checkpoint.files.sequence >= INTERVAL:
            self._write_checkpoint(batch)

    def _write_checkpoint(self, batch: B) -> None:
        """Write the checkpoint at `batch`, unless a compaction or another stage has written the next one meanwhile."""
        self.checkpoints.write(
            Checkpoint(
                self.next_checkpoint,
                self.live_files(),
                batch.run_id,
                batch.code_version,
                batch.committed_at,
            )
        )


def key(sequence: int) -> str:
    """Return the key of the commit record `sequence`."""
    return f"{PREFIX}{sequence:08d}.json"

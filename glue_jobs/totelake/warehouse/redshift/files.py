"""The files that COPY reads: a manifest of the batches' files for each table, and the new ledger entries.

Each load writes its own below the job's `--TempDir`; they are not needed after it.
"""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any
from uuid import uuid4

import boto3
import pyarrow as pa
from pyarrow import parquet

from totelake.lake import objects
from totelake.lake.batches import ProcessedBatch
from totelake.lake.file_sets import FileSet
from totelake.runtime.glue import JobRun
from totelake.tables.ledger import LEDGER_COLUMNS

_ARROW = {"INTEGER": pa.int32(), "VARCHAR": pa.string(), "TIMESTAMP": pa.timestamp("us")}
_LEDGER_SCHEMA = pa.schema([(column.name, _ARROW[column.redshift.partition("(")[0]]) for column in LEDGER_COLUMNS])


@dataclass(frozen=True)
class CopyFiles:
    """The files of one load for COPY, below `s3://bucket/prefix`."""

    bucket: str
    prefix: str

    @cached_property
    def _s3(self) -> Any:
        return boto3.client("s3")

    @classmethod
    def of_load(cls, temporary: str) -> "CopyFiles":
        """Return those of a new load, below `temporary`, the job's `--TempDir`."""
        bucket, _, prefix = temporary.removeprefix("s3://").partition("/")
        return cls(bucket, f"{prefix.rstrip('/')}/copy/{uuid4().hex}/".lstrip("/"))

    def manifest(self, processed: str, table: str, sets: list[FileSet]) -> str | None:
        """Write the manifest of the file `sets` in the `processed` bucket; return its URL, None without files."""
        files = {
            f"s3://{processed}/{part.path}{file.name}": file.bytes
            for part in sets
            for file in objects.files_of(processed, part, self._s3)
        }
        return self._manifest(table, files) if files else None

    def ledger_manifest(self, batches: list[ProcessedBatch], run: JobRun) -> str:
        """Write the ledger entries of `batches` as a Parquet file; return the URL of its manifest."""
        file = pa.BufferOutputStream()
        parquet.write_table(pa.Table.from_pylist([_entry(batch, run) for batch in batches], _LEDGER_SCHEMA), file)
        body = file.getvalue().to_pybytes()
        return self._manifest("ledger", {self._put("ledger.parquet", body): len(body)})

    def _manifest(self, name: str, files: dict[str, int]) -> str:
        """Write a manifest; format: docs.aws.amazon.com/redshift/latest/dg/loading-data-files-using-manifest.html."""
        entries = [{"url": url, "mandatory": True, "meta": {"content_length": size}} for url, size in files.items()]
        return self._put(f"{name}.manifest", json.dumps({"entries": entries}).encode())

    def _put(self, name: str, body: bytes) -> str:
        key = self.prefix + name
        self._s3.put_object(Bucket=self.bucket, Key=key, Body=body)
        return f"s3://{self.bucket}/{key}"


def _entry(batch: ProcessedBatch, run: JobRun) -> dict[str, Any]:
    taken_at = datetime.fromisoformat(batch.snapshot_taken_at).astimezone(UTC)
    return {
        "processed_sequence": batch.sequence,
        "batch_id": batch.batch_id,
        "first_ingested": batch.first_ingested,
        "last_ingested": batch.last_ingested,
        "snapshot_taken_at": taken_at.replace(tzinfo=None),
        "rows": json.dumps(batch.rows),
        "run_id": run.id,
        "code_version": run.code_version,
        "loaded_at": datetime.now(UTC).replace(tzinfo=None),
    }

"""The checkpoints of a zone: the live files at a commit record, so that readers need not read all records before it.

A stage writes one after several commits, a compaction one with its file sets in the place of those that it replaced.
They are the immutable objects `checkpoints/0000/00000001.json`, …: at most a hundred in a folder, so that two short
lists find the newest one.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Self

from botocore.exceptions import ClientError

from totelake.lake.file_sets import NOT_A_RECORD, FileSet, LiveFiles
from totelake.runtime import log
from totelake.runtime.errors import LogError

PREFIX = "checkpoints/"
INTERVAL = 8
"""The number of commits after which a stage writes a checkpoint."""
_PER_FOLDER = 100


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The live files of a zone. Each checkpoint is derived from the one before: `number` has no gaps.

    `compaction` is the id of the compaction that wrote it, empty if a stage did; `replaced` are the file sets that the
    compaction replaced, by table.
    """

    number: int
    files: LiveFiles
    run_id: str
    code_version: str
    written_at: str
    compaction: str = ""
    replaced: Mapping[str, tuple[FileSet, ...]] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return the checkpoint as JSON types."""
        return asdict(self)

    @classmethod
    def from_json(cls, record: dict[str, Any]) -> Self:
        """Return the checkpoint from its JSON `record`."""
        files = LiveFiles(record["files"]["sequence"], _file_sets(record["files"]["tables"]))
        return cls(**record | {"files": files, "replaced": _file_sets(record["replaced"])})


def _file_sets(tables: dict[str, list[dict[str, Any]]]) -> dict[str, tuple[FileSet, ...]]:
    return {name: tuple(map(FileSet.from_json, sets)) for name, sets in tables.items()}


NOTHING = Checkpoint(0, LiveFiles(), run_id="", code_version="", written_at="")
"""The state before the first checkpoint."""


class Checkpoints:
    """The checkpoints of one bucket; `s3` is the client."""

    def __init__(self, bucket: str, s3: Any) -> None:
        """Open the checkpoints of `bucket`."""
        self.bucket = bucket
        self._s3 = s3

    def _last_number(self) -> int:
        """Return the number of the newest checkpoint, 0 if there is none."""
        folders = [item["Prefix"] for item in self._listed("CommonPrefixes", PREFIX, Delimiter="/")]
        if not folders:
            return 0
        keys = [item["Key"] for item in self._listed("Contents", folders[-1])]
        return int(keys[-1].rpartition("/")[2].removesuffix(".json"))

    def newest(self) -> tuple[Checkpoint, int]:
        """Return the newest checkpoint that can be read, `NOTHING` if there is none, and the number of the next one.

        The records and files before a checkpoint say the same: an unreadable one is skipped with a warning.
        """
        last = self._last_number()
        for number in range(last, 0, -1):
            try:
                return self.read(number), last + 1
            except LogError as error:
                log.event("checkpoint_unreadable", url=f"s3://{self.bucket}/{key(number)}", error=str(error))
        return NOTHING, last + 1

    def read(self, number: int) -> Checkpoint:
        """Return the checkpoint `number`; raise `LogError` when it is not one."""
        body = self._s3.get_object(Bucket=self.bucket, Key=key(number))["Body"].read()
        try:
            return Checkpoint.from_json(json.loads(body))
        except NOT_A_RECORD as error:
            raise LogError(f"s3://{self.bucket}/{key(number)}: not a checkpoint: {error!r}.") from error

    def write(self, checkpoint: Checkpoint) -> bool:
        """Write `checkpoint`; return whether its number was free."""
        try:
            self._s3.put_object(
                Bucket=self.bucket,
                Key=key(checkpoint.number),
                Body=json.dumps(checkpoint.to_json()).encode(),
                ContentType="application/json",
                IfNoneMatch="*",
            )
        except ClientError as error:
            if error.response["Error"]["Code"] not in {"PreconditionFailed", "ConditionalRequestConflict"}:
                raise
            return self._is_written(checkpoint)
        return True

    def _is_written(self, checkpoint: Checkpoint) -> bool:
        """Return whether the object with its number is `checkpoint` itself: the SDK retries lost responses."""
        try:
            return self.read(checkpoint.number) == checkpoint
        except LogError:
            return False

    def _listed(self, kind: str, prefix: str, **options: str) -> list[dict[str, str]]:
        pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=prefix, **options)
        return [item for page in pages for item in page.get(kind, [])]


def key(number: int) -> str:
    """Return the key of the checkpoint `number`."""
    return f"{PREFIX}{number // _PER_FOLDER:04d}/{number:08d}.json"

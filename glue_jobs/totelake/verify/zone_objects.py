"""The objects of a zone's bucket, and the findings about them."""

import json
import re
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from itertools import batched
from typing import Any

from totelake.lake.zones import Zone
from totelake.runtime.clients import READER_THREADS
from totelake.verify.findings import Finding, Kind
from totelake.verify.restoration import ObjectVersions

LONGEST_RUN = timedelta(hours=1)
"""The timeout of a job run: what is younger may be the work of one that has not ended."""
_READ_AT_ONCE = 16 * READER_THREADS

type Show = Callable[[str], None]
"""A function that shows how far a step is."""
type Step = Callable[[str], AbstractContextManager[Show]]
"""A function that shows a step by its name while the context lasts."""


@dataclass(frozen=True)
class ZoneObjects:
    """The objects of the `bucket` of `zone`: `s3` is a client of `s3_for_readers`, `now` the time of the check in UTC.

    What is wrong with them is collected in `findings`.
    """

    zone: Zone
    bucket: str
    s3: Any
    now: datetime
    findings: list[Finding] = field(default_factory=list)

    @cached_property
    def versions(self) -> ObjectVersions:
        """The versions of the objects."""
        return ObjectVersions(self.s3, self.bucket)

    def report(
        self,
        kind: Kind,
        key: str,
        explanation: str,
        *,
        table: str = "",
        number: int | None = None,
        is_fault: bool = True,
    ) -> None:
        """Add a finding about the object or folder `key`."""
        url = f"s3://{self.bucket}/{key}"
        self.findings.append(Finding(self.zone.name, kind, url, explanation, table, number, is_fault))

    def is_recent(self, time: str | None) -> bool:
        """Return whether the recorded `time` is so recent that the run may not have ended."""
        return time is not None and datetime.fromisoformat(time) > self.now - LONGEST_RUN

    def listed(self, prefix: str) -> Iterator[dict[str, Any]]:
        """Yield the objects below `prefix` as S3 lists them."""
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=prefix)
        return (item for page in pages for item in page.get("Contents", []))

    def numbers(self, prefix: str, key_of: Callable[[int], str]) -> list[int]:
        """Return the numbers of the objects below `prefix`, whose keys are `key_of` them; report all others."""
        numbers = []
        for item in self.listed(prefix):
            name = re.search(r"/(\d+)\.json$", item["Key"])
            if name and int(name[1]) and key_of(int(name[1])) == item["Key"]:
                numbers.append(int(name[1]))
            else:
                way_out = f"Every run stops because of it. Move it out of s3://{self.bucket}/{prefix}"
                self.report(Kind.NOT_A_RECORD, item["Key"], f"Nothing that totelake wrote. {way_out}")
        return numbers

    def json(self, key: str) -> Any:
        """Return the content of the JSON object `key`."""
        return json.loads(self.s3.get_object(Bucket=self.bucket, Key=key)["Body"].read())


def in_threads[T, R](function: Callable[[T], R], items: Iterable[T]) -> Iterator[tuple[T, R]]:
    """Yield each of `items` in order with the result of `function`, of which only some are in memory at once."""
    with ThreadPoolExecutor(READER_THREADS) as readers:
        for some in batched(items, _READ_AT_ONCE, strict=False):
            yield from zip(some, readers.map(function, some), strict=True)

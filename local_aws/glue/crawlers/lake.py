"""The folders of the lake that hold data, read from the files themselves."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from local_aws import parquet_nesting
from local_aws.address import REGION
from local_aws.glue.crawlers.crawl import Crawl, CrawlFailedError
from local_aws.glue.crawlers.log import CrawlLog
from local_aws.glue.crawlers.schema import HiveSchema, hive_schema, merged
from local_aws.glue.crawlers.settings import S3Target
from local_aws.iam import Call, Session
from local_aws.s3.locations import Location, LocationError


@dataclass(frozen=True, slots=True)
class Statistics:
    """How much data there is: objects, rows and bytes."""

    objects: int = 0
    records: int = 0
    size: int = 0

    def __add__(self, other: "Statistics") -> "Statistics":
        """Return the sum."""
        return Statistics(self.objects + other.objects, self.records + other.records, self.size + other.size)


@dataclass(frozen=True, slots=True)
class DataFolder:
    """A folder with Parquet files in it; `parts` is its path below the bucket."""

    bucket: str
    parts: tuple[str, ...]
    schema: HiveSchema
    statistics: Statistics

    @property
    def location(self) -> str:
        """Its URL in S3."""
        return location(self.bucket, self.parts)


def location(bucket: str, parts: tuple[str, ...]) -> str:
    """Return the URL of a folder in S3, with a trailing slash."""
    return "/".join(("s3:/", bucket, *parts, ""))


def data_folders(
    session: Session, target: S3Target, seen: frozenset[str], crawl: Crawl, journal: CrawlLog
) -> Iterator[DataFolder]:
    """Walk a target and yield its folders with Parquet files, except those whose location is in `seen`.

    Names that begin with `_` or `.` are hidden. Files of other formats are logged and skipped. Raises CrawlFailedError
    when the bucket does not exist, or the target is outside of it, and AccessDeniedError when `session` may not list a
    folder or read an object.
    """
    _authorize(session, "ListObjectsV2", target.bucket, Prefix="/".join([*target.parts, ""]))
    try:
        root = Location.of(location(target.bucket, target.parts), session.account).folder
    except LocationError as error:
        raise CrawlFailedError(str(error)) from error
    for folder, subfolders, names in os.walk(root):
        crawl.check()
        subfolders[:] = sorted(name for name in subfolders if not _is_hidden(name))
        parts = target.parts + Path(folder).relative_to(root).parts
        for name in subfolders:
            _authorize(session, "ListObjectsV2", target.bucket, Prefix="/".join([*parts, name, ""]))
        address = location(target.bucket, parts)
        if address in seen:
            continue
        relative = "/".join(parts[len(target.parts) :])
        paths = [
            Path(folder, name)
            for name in sorted(names)
            if not _is_hidden(name)
            and not target.excludes(f"{relative}/{name}".lstrip("/"))
            and not Path(folder, name).is_symlink()  # not an object
        ]
        for path in paths:
            _authorize(session, "GetObject", target.bucket, Key="/".join([*parts, path.name]))
        footers = [footer for path in paths if (footer := _footer(path, crawl, journal, address)) is not None]
        if footers:
            statistics = sum((part for _, part in footers), Statistics())
            yield DataFolder(target.bucket, parts, merged(schema for schema, _ in footers), statistics)


def _authorize(session: Session, operation: str, bucket: str, **parameters: str) -> None:
    """Raise AccessDeniedError unless the role allows the operation of S3 that an access to the folder stands for."""
    session.authorize(Call("s3", operation, {"Bucket": bucket, **parameters}, REGION, session.account))


def _is_hidden(name: str) -> bool:
    return name.startswith(("_", "."))


def _footer(path: Path, crawl: Crawl, journal: CrawlLog, folder: str) -> tuple[HiveSchema, Statistics] | None:
    """Return the schema and statistics in the footer of a Parquet file; None, with a log line, for other formats."""
    crawl.check()
    try:
        metadata = parquet_nesting.open_checked(path).metadata
    except (pa.ArrowInvalid, OSError) as error:
        reason = str(error).splitlines()[0]
        journal.warn(f"{folder}{path.name} was skipped, its classification is UNKNOWN: {reason}")
        return None
    return hive_schema(metadata.schema.to_arrow_schema()), Statistics(1, metadata.num_rows, path.stat().st_size)

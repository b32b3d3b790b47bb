"""Reads the live files and compares their contents with the records: checksum, Parquet and number of rows."""

import hashlib
import re
from collections.abc import Iterable, Iterator
from tempfile import SpooledTemporaryFile
from typing import Any

import pyarrow as pa
from pyarrow import parquet

from totelake.lake import objects, quarantine
from totelake.lake.batches import QuarantinedRows
from totelake.lake.file_sets import DataFile, FileSet
from totelake.runtime.clients import Clients
from totelake.tables import STAR_TABLES
from totelake.verify.findings import Kind
from totelake.verify.zone_objects import ZoneObjects, in_threads

_IN_MEMORY = 8 * 2**20
"""Up to this size a file that is read is in memory, a larger one on disk."""
_ROWS_DECODED = 10_000
RESTORE_QUARANTINE = "Restore its files from their versions, or build the zone again: totelake rebuild processed"
_MD5 = re.compile(r"[0-9a-f]{32}")


def check(zone: ZoneObjects, table: str, sets: Iterable[FileSet]) -> Iterator[int]:
    """Read all files of `sets` of `table`, and report what is wrong with them; yield the number of rows of each set."""
    for files, found in in_threads(lambda files: _rows_of(zone, table, files), sets):
        yield found or 0
        if found is not None and found != files.rows:
            listed = files.files[0].name if len(files.files) == 1 else ""
            text = (
                f"{found} rows are in the files, {files.rows} were written. Restore the files from their versions: "
                f"aws s3api list-object-versions --bucket {zone.bucket} --prefix {files.path}"
            )
            zone.report(Kind.ROWS_DIFFER, files.path + listed, text, table=table, number=files.last)


def check_quarantine(zone: ZoneObjects, table: str, quarantined: QuarantinedRows, sequence: int, aws: Clients) -> None:
    """Read the quarantine of `table` as of commit record `sequence`, and report what is wrong with it."""
    columns = STAR_TABLES[table].identity
    try:
        rows = {tuple(row[column] for column in columns) for row in quarantine.open_rows(zone.bucket, quarantined, aws)}
    except (pa.ArrowException, OSError, KeyError) as error:
        text = f"The quarantine of {table} cannot be read ({_short(error)}). {RESTORE_QUARANTINE}"
        zone.report(Kind.FILE_UNREADABLE, quarantined.path, text, table=table, number=sequence)
        return
    if len(rows) != quarantined.rows:
        text = f"{len(rows)} rows are in quarantine, {quarantined.rows} were written. {RESTORE_QUARANTINE}"
        zone.report(Kind.ROWS_DIFFER, quarantined.path, text, table=table, number=sequence)


def _rows_of(zone: ZoneObjects, table: str, files: FileSet) -> int | None:
    """Return the number of rows in `files`; report what cannot be read, and return None."""
    rows, is_whole = 0, True
    for file in objects.files_of(zone.bucket, files, zone.s3):
        try:
            rows += _rows(zone, files.path + file.name, file)
        except (pa.ArrowException, OSError, _OtherContentError) as error:
            is_whole = False
            text = (
                f"The file of batch {files.last} cannot be read ({_short(error)}). Restore it from its versions: "
                f"aws s3api list-object-versions --bucket {zone.bucket} --prefix {files.path}{file.name}"
            )
            zone.report(Kind.FILE_UNREADABLE, files.path + file.name, text, table=table, number=files.last)
    return rows if is_whole else None


class _OtherContentError(Exception):
    """The content of an object is not that of its ETag."""


def _rows(zone: ZoneObjects, key: str, file: DataFile) -> int:
    """Return the number of rows of a file, all of which are decoded."""
    found = zone.s3.get_object(Bucket=zone.bucket, Key=key)
    digest = hashlib.md5(usedforsecurity=False)
    with SpooledTemporaryFile(_IN_MEMORY) as copy:
        for chunk in found["Body"].iter_chunks(2**20):
            digest.update(chunk)
            copy.write(chunk)
        if _is_md5(found, file) and digest.hexdigest() != file.etag:
            raise _OtherContentError(f"its MD5 is {digest.hexdigest()}, it was {file.etag}")
        copy.seek(0)
        opened = parquet.ParquetFile(copy, page_checksum_verification=True)
        return sum(batch.num_rows for batch in opened.iter_batches(_ROWS_DECODED, use_threads=False))


def _is_md5(found: dict[str, Any], file: DataFile) -> bool:
    """Return whether the ETag of `file` is the MD5 of its content: not of one in several parts, nor with SSE-KMS."""
    return bool(_MD5.fullmatch(file.etag)) and found.get("ServerSideEncryption") in {None, "AES256"}


def _short(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]

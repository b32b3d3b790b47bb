"""Reads Parquet files of a bucket in the driver: whole sets, or the few rows with given values of a column."""

import io
from collections.abc import Collection, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any

import boto3
import pyarrow as pa
from pyarrow import compute, parquet

from totelake.lake import objects
from totelake.lake.file_sets import DataFile, FileSet
from totelake.runtime.clients import READER_THREADS
from totelake.tables.model import COMPACTED_LINEAGE

_ROWS_DECODED = 1_000
"""The number of rows that are decoded at once: wide texts may take little space in a file, and much in memory."""
_WHOLE_BYTES = 4 * 2**20
"""Up to this size a file is read with one request; of a larger one the footer and the wanted columns are read."""
_SETS_AT_ONCE = 8
_TYPES_OF_LINEAGE = (pa.int32(), pa.timestamp("us"), pa.string())
_LINEAGE = pa.schema([(column.name, kind) for column, kind in zip(COMPACTED_LINEAGE, _TYPES_OF_LINEAGE, strict=True)])

type Only = tuple[str, Collection[Any]]
"""A column, and the values of the rows that are wanted."""


def rows_below(bucket: str, path: str, only: Only, *, s3: Any = None) -> Iterator[dict[str, Any]]:
    """Yield the rows of the Parquet files below `path` whose column has one of the values of `only`.

    `s3` is the client, if given. Raises `pyarrow.ArrowInvalid`, with the name of the file, when it is not Parquet.
    """
    s3 = s3 or boto3.client("s3")
    for file in objects.files_below(bucket, path, s3):
        yield from _rows(opened(s3, bucket, path, file), only, None).to_pylist()


def tables_of(
    s3: Any, bucket: str, sets: Iterable[FileSet], only: Only | None = None, *, columns: Sequence[str] | None = None
) -> Iterator[list[pa.Table]]:
    """Yield for each of `sets` in order the rows of each of its files.

    With `only`, these are the rows whose column has one of its values. `columns` are the columns to read, all by
    default; those that a file lacks are left out. `s3` is a client of `s3_for_readers`: several files are read at the
    same time.
    """

    def read(files: FileSet) -> list[pa.Table]:
        whole = only is None and columns is None
        found = objects.files_of(bucket, files, s3)
        return [_rows(opened(s3, bucket, files.path, file, whole=whole), only, columns) for file in found]

    with ThreadPoolExecutor(READER_THREADS) as readers:
        yield from readers.map(read, sets)


def newest_tables(
    s3: Any, bucket: str, sets: Sequence[FileSet], only: Only, *, columns: Sequence[str]
) -> Iterator[tuple[FileSet, list[pa.Table]]]:
    """Yield the `sets` of one table from the newest back, each with the rows of `only` in its files.

    It ends when a row with each of the values has been found: the last version of each record is among the rows. One
    of `columns` is that of `only`.
    """
    column, missing = only[0], frozenset(only[1])
    newest_first = sets[::-1]
    for start in range(0, len(newest_first), _SETS_AT_ONCE):
        if not missing:
            return
        chosen, found = newest_first[start : start + _SETS_AT_ONCE], set[Any]()
        for files, tables in zip(
            chosen, tables_of(s3, bucket, chosen, (column, missing), columns=columns), strict=True
        ):
            yield files, tables
            found.update(*(rows[column].to_pylist() for rows in tables if column in rows.schema.names))
        missing -= found


def with_lineage(files: FileSet, rows: pa.Table) -> pa.Table:
    """Return the `rows` of an ingested set of `files` with the columns of `COMPACTED_LINEAGE` last."""
    if files.compacted:
        return rows
    rows = rows.drop_columns([name for name in _LINEAGE.names if name in rows.schema.names])
    for field, value in zip(_LINEAGE, batch_of(files), strict=True):
        rows = rows.append_column(field, pa.repeat(pa.scalar(value, field.type), rows.num_rows))
    return rows


def batch_of(files: FileSet) -> tuple[int, datetime, str]:
    """Return the values of `COMPACTED_LINEAGE` of all rows of `files`, which are not compacted."""
    taken_at = datetime.fromisoformat(files.taken_at).replace(tzinfo=None)
    return files.first, taken_at, objects.batch_of(files.path)


def opened(s3: Any, bucket: str, path: str, file: DataFile, *, whole: bool = False) -> parquet.ParquetFile:
    """Return the file below `path`, which is read as a whole if it is small or `whole`."""
    source: io.RawIOBase | pa.BufferReader = _RangedObject(s3, bucket, path + file.name, file.bytes)
    if whole or file.bytes <= _WHOLE_BYTES:
        source = pa.BufferReader(s3.get_object(Bucket=bucket, Key=path + file.name)["Body"].read())
    try:
        return parquet.ParquetFile(source)
    except pa.ArrowInvalid as error:
        raise pa.ArrowInvalid(f"s3://{bucket}/{path}{file.name}: {error}") from error


def _rows(file: parquet.ParquetFile, only: Only | None, columns: Sequence[str] | None) -> pa.Table:
    # Arrow's threads may still run when the process exits, which then aborts although its work is complete.
    present = [name for name in columns or file.schema_arrow.names if name in file.schema_arrow.names]
    if only is None:
        return file.read(present, use_threads=False)
    column, accepted = only[0], pa.array(list(only[1]))
    if column not in file.schema_arrow.names or not len(accepted):
        return file.schema_arrow.empty_table().select(present)
    found = [file.schema_arrow.empty_table().select(present)]
    position = file.schema_arrow.names.index(column)
    for group in range(file.num_row_groups):
        if not _may_have(file.metadata.row_group(group).column(position).statistics, accepted):
            continue
        matches = compute.is_in(
            file.read_row_group(group, [column], use_threads=False)[column].cast(accepted.type), accepted
        )
        first, missing = 0, compute.sum(matches).as_py() or 0
        if not missing:  # as in most files: then no other column is read
            continue
        for batch in file.iter_batches(_ROWS_DECODED, row_groups=[group], columns=present, use_threads=False):
            of_batch = matches.slice(first, batch.num_rows)
            if here := compute.sum(of_batch).as_py():
                found.append(pa.Table.from_batches([batch]).filter(of_batch))
            first, missing = first + batch.num_rows, missing - (here or 0)
            if not missing:
                break
    return pa.concat_tables(found)


def _may_have(statistics: parquet.Statistics | None, accepted: pa.Array) -> bool:
    """Return whether a row group has one of the `accepted` values, by its minimum and maximum if they are integers."""
    if statistics is None or not statistics.has_min_max:
        return True
    if not isinstance(statistics.min, int) or not pa.types.is_integer(accepted.type):
        return True
    above, below = compute.greater_equal(accepted, statistics.min), compute.less_equal(accepted, statistics.max)
    return bool(compute.any(compute.and_(above, below)).as_py())


class _RangedObject(io.RawIOBase):
    """An object of S3 as a file: each read is one request for its range of bytes, the end of the object is kept."""

    _TAIL = 2**16

    def __init__(self, s3: Any, bucket: str, key: str, size: int) -> None:
        """Open the object `key` of `size` bytes in `bucket`."""
        self._s3, self._bucket, self._key, self._size, self._position = s3, bucket, key, size, 0
        self._tail: bytes | None = None

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def tell(self) -> int:
        """Return the position of the next read."""
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move the position of the next read and return it."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        self._position = base + offset
        return self._position

    def readinto(self, buffer: Any) -> int:
        """Read bytes into `buffer` and return their number."""
        start = self._position
        end = min(start + len(buffer), self._size)
        if start >= end:
            return 0
        tail = max(0, self._size - self._TAIL)
        if start >= tail:
            if self._tail is None:
                self._tail = self._range(tail, self._size)
            body = self._tail[start - tail : end - tail]
        else:
            body = self._range(start, end)
        buffer[: len(body)] = body
        self._position += len(body)
        return len(body)

    def _range(self, start: int, end: int) -> bytes:
        body: bytes = self._s3.get_object(Bucket=self._bucket, Key=self._key, Range=f"bytes={start}-{end - 1}")[
            "Body"
        ].read()
        return body

"""A limit for the nesting of Parquet schemas: Arrow reads them recursively, and would overflow the stack."""

import os
from pathlib import Path
from typing import BinaryIO

import duckdb
import pyarrow as pa
from pyarrow import parquet

_MIN_BYTES_PER_LEVEL = 5  # a name, a number of children, and an end
_MAX_LEVELS = 500  # that of DuckDB
_TAIL = 8  # the length of the footer and the mark of the format


def open_checked(path: Path) -> parquet.ParquetFile:
    """Open a Parquet file.

    Raises `ArrowInvalid` when its schema is nested too deeply, or DuckDB cannot read its footer. The file that is
    checked is the one that is read, also if another takes its path meanwhile.
    """
    file = path.open("rb")
    try:
        _check(file)
        return parquet.ParquetFile(file)
    except BaseException:
        file.close()
        raise


def _check(file: BinaryIO) -> None:
    """Check an open file; a short footer is not read, since it cannot have that many levels."""
    size = file.seek(0, os.SEEK_END)
    file.seek(max(size - _TAIL, 0))
    length = int.from_bytes(file.read(4), "little")
    file.seek(0)
    if length < _MIN_BYTES_PER_LEVEL * _MAX_LEVELS:
        return
    with duckdb.connect() as connection:
        try:
            connection.execute("SELECT count(*) FROM parquet_schema(?)", [f"/proc/self/fd/{file.fileno()}"])
        except duckdb.Error as error:
            raise pa.ArrowInvalid(str(error)) from error

"""A limit for the nesting of Parquet schemas: Arrow reads them recursively, and would overflow the stack."""

import glob
import os
from pathlib import Path

import duckdb
import pyarrow as pa

_MIN_BYTES_PER_LEVEL = 5  # a name, a number of children, and an end
_MAX_LEVELS = 500  # that of DuckDB
_TAIL = 8  # the length of the footer and the mark of the format


def check(path: Path) -> None:
    """Raise `ArrowInvalid` when the schema of a Parquet file is nested too deeply, or DuckDB cannot read its footer.

    A short footer is not read, since it cannot have that many levels.
    """
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(size - _TAIL, 0))
        length = int.from_bytes(file.read(4), "little")
    if length < _MIN_BYTES_PER_LEVEL * _MAX_LEVELS:
        return
    with duckdb.connect() as connection:
        try:
            connection.execute("SELECT count(*) FROM parquet_schema(?)", [glob.escape(str(path))])
        except duckdb.Error as error:
            raise pa.ArrowInvalid(str(error)) from error

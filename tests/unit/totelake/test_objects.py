"""Reading rows from Parquet files in the driver."""

import subprocess
import sys

import pyarrow as pa
from pyarrow import parquet

SCRIPT = """
import io, resource, sys
from pathlib import Path
from totelake.lake import parquet_files

class S3:
    def get_paginator(self, _):
        return self
    def paginate(self, **_):
        return [{"Contents": [{"Key": "wide/rows.parquet", "Size": 1, "ETag": "a"}]}]
    def get_object(self, **_):
        return {"Body": io.BytesIO(Path(sys.argv[1]).read_bytes())}

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024

before = peak()
[found] = parquet_files.rows_below("lake", "wide/", ("key", [19_999]), s3=S3())
print([found["key"]], len(found["text"]), peak() - before)
"""


def test_memory_is_bounded_by_the_wanted_rows_of_a_file(tmp_path):
    """A text that all rows share takes its space once in the file, but 400 MB in memory."""
    columns = {"key": pa.array(range(20_000)), "text": pa.array(["x" * 20_000]).take(pa.array([0] * 20_000))}
    parquet.write_table(pa.table(columns), tmp_path / "rows.parquet")

    command = [sys.executable, "-c", SCRIPT, str(tmp_path / "rows.parquet")]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout

    keys, length, mebibytes = printed.split()
    assert (keys, length) == ("[19999]", "20000")
    assert int(mebibytes) < 150

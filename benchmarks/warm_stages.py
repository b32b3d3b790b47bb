"""Runs the stages twice in one JVM, each time on a new lake and warehouse, and prints the seconds of the second time.

Started by `benchmarks.comparison`, with the URLs of totesys and of two empty databases as arguments.
"""

import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.sandbox import processor_seconds
from local_aws.spark import environment
from local_aws.state import State
from tests.lakes import empty_lake, s3_endpoint
from tests.postgres_servers import login_of


def main(totesys: str, *warehouses: str) -> None:
    """Run the stages for each of the `warehouses`; print the seconds of each stage of the last one as JSON."""
    reader = login_of(totesys)
    repository = Path(__file__).parents[1]
    with tempfile.TemporaryDirectory() as folder, s3_endpoint(Path(folder) / "aws") as (buckets, variables):
        packages = os.pathsep.join((str(repository / "glue_jobs"), str(repository)))
        os.environ |= environment(State(Path(folder) / "spark")) | variables | {"PYTHONPATH": packages}
        from pyspark.sql import SparkSession  # noqa: PLC0415 - it reads the environment

        spark = SparkSession.builder.getOrCreate()
        for warehouse in map(login_of, warehouses):
            with empty_lake(buckets, spark) as lake:
                processor = processor_seconds()
                seconds = {
                    "ingest": _seconds(lambda: lake.ingest(reader)),
                    "transform": _seconds(lake.transform),
                    "load": _seconds(lambda: lake.load(warehouse)),  # noqa: B023
                }
                processor = processor_seconds() - processor
        spark.stop()
    print(json.dumps({"seconds": seconds, "processor": processor}))


def _seconds(stage: Callable[[], object]) -> float:
    began = time.monotonic()
    stage()
    return time.monotonic() - began


if __name__ == "__main__":
    main(*sys.argv[1:])

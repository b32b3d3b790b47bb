"""The door to Glue: what a job is given, and the session that it works with."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property

from awsglue.utils import getResolvedOptions
from pyspark.sql import SparkSession

from totelake import worklog


@dataclass(frozen=True)
class JobRun:
    """One run of a job: its id, the code that it runs, and the arguments that it asked for."""

    id: str
    code_version: str
    arguments: dict[str, str]

    @cached_property
    def spark(self) -> SparkSession:
        """The Spark session, started when it is first needed: a run that finds nothing to do needs none."""
        return (
            SparkSession.builder.config("spark.sql.session.timeZone", "UTC")
            .config("spark.sql.ansi.enabled", "true")
            .config("spark.hadoop.mapreduce.fileoutputcommitter.marksuccessfuljobs", "false")
            .getOrCreate()
        )


@contextmanager
def job(argv: list[str], *names: str) -> Iterator[JobRun]:
    """Run the block as the Glue job run that `argv` describes, with the arguments called `names`.

    An exception goes on to Glue, which then fails the run with its last line as the message.
    """
    resolved = getResolvedOptions(argv, ["JOB_NAME", "code_version", *names])  # JOB_RUN_ID comes unasked
    run = JobRun(
        id=resolved["JOB_RUN_ID"],
        code_version=resolved["code_version"],
        arguments={name: resolved[name] for name in names},
    )
    with worklog.unit("job", job=resolved["JOB_NAME"], run_id=run.id, code_version=run.code_version):
        yield run

"""Glue job entry point: arguments and Spark session."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property

from awsglue.utils import getResolvedOptions
from pyspark.sql import SparkSession

from totelake.runtime import log
from totelake.runtime.connections import CERTIFICATES
from totelake.runtime.errors import ArgumentError, TotelakeError, UnexpectedError
from totelake.runtime.workflow import WorkflowRun

_FRACTION = re.compile(r"0(\.\d+)?|1(\.0+)?")
_WORKFLOW_ARGUMENTS = ("WORKFLOW_NAME", "WORKFLOW_RUN_ID")

FEW_ROWS = 20_000
"""Up to this number of rows, generating and compiling classes takes Spark longer than processing the rows."""

FOR_FEW_ROWS = {
    "spark.sql.codegen.wholeStage": "false",
    "spark.sql.codegen.factoryMode": "NO_CODEGEN",
    "spark.sql.adaptive.enabled": "false",
    "spark.sql.shuffle.partitions": "1",
}
"""Session settings for few rows: no code generation, no adaptive plans, one partition."""


@dataclass(frozen=True)
class JobRun:
    """One run of a job: its id, code version and declared arguments, and the `workflow` run that it belongs to.

    A stage that a transient error ended is retried within the run, see `retry.retried`: `attempt` counts from 1.
    """

    id: str
    code_version: str
    arguments: dict[str, str]
    attempt: int = 1
    workflow: WorkflowRun | None = None

    @property
    def attempt_id(self) -> str:
        """An id that is unique over the attempts of all runs: eight digits of the run id, then the attempt number."""
        digits = self.id.removeprefix("jr_")[:8]
        return digits if self.attempt == 1 else f"{digits}-{self.attempt}"

    def fraction(self, name: str) -> float | None:
        """Return the optional argument `name` as a fraction from 0 to 1, None when the run does not have it."""
        value = self.arguments.get(name)
        if value is None:
            return None
        if not _FRACTION.fullmatch(value):
            raise ArgumentError(name, value, "a fraction from 0 to 1, such as 0.25")
        return float(value)

    def flag(self, name: str) -> bool:
        """Return whether the optional argument `name` is `true`."""
        value = self.arguments.get(name, "false")
        if value not in {"true", "false"}:
            raise ArgumentError(name, value, "true or false")
        return value == "true"

    @cached_property
    def spark(self) -> SparkSession:
        """The Spark session, started on first use: a run with nothing to do needs none."""
        session = (
            SparkSession.builder.config("spark.sql.session.timeZone", "UTC")
            .config("spark.sql.ansi.enabled", "true")
            .config("spark.hadoop.mapreduce.fileoutputcommitter.marksuccessfuljobs", "false")
            .getOrCreate()
        )
        if CERTIFICATES.is_file():
            session.sparkContext.addFile(str(CERTIFICATES.resolve()))
        return session

    def expect(self, rows: int) -> None:
        """Configure the session for a stage that reads about `rows` rows."""
        if rows <= FEW_ROWS:
            for name, value in FOR_FEW_ROWS.items():
                self.spark.conf.set(name, value)


@contextmanager
def job(argv: list[str], *names: str, optional: tuple[str, ...] = ()) -> Iterator[JobRun]:
    """Run the block as the Glue job run of `argv`, with the arguments `names` and those of `optional` that it has.

    An exception propagates to Glue, which fails the run with its last line as the message. An exception of several
    lines is therefore raised as an `UnexpectedError` of one line.
    """
    known = {word.split("=")[0] for word in argv}
    given = [name for name in (*optional, *_WORKFLOW_ARGUMENTS) if f"--{name}" in known]
    resolved = getResolvedOptions(argv, ["JOB_NAME", "code_version", *names, *given])  # JOB_RUN_ID is always included
    run = JobRun(
        id=resolved["JOB_RUN_ID"],
        code_version=resolved["code_version"],
        arguments={name: resolved[name] for name in (*names, *given) if name not in _WORKFLOW_ARGUMENTS},
        workflow=WorkflowRun(*(resolved[name] for name in _WORKFLOW_ARGUMENTS))
        if _WORKFLOW_ARGUMENTS[1] in given
        else None,
    )
    with log.span("job", job=resolved["JOB_NAME"], run_id=run.id, code_version=run.code_version):
        try:
            yield run
        except TotelakeError:
            raise
        except Exception as error:
            if len(str(error).splitlines()) <= 1:
                raise
            raise UnexpectedError(error) from error

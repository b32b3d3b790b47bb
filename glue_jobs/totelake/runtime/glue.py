"""The door to Glue: what a job is given, and the session that it works with."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property

from awsglue.utils import getResolvedOptions
from pyspark.sql import SparkSession

from totelake.runtime import worklog
from totelake.runtime.connections import CERTIFICATES
from totelake.runtime.errors import ArgumentError, TotelakeError, UnforeseenError
from totelake.runtime.workflow import WorkflowRun

_SHARE = re.compile(r"0(\.\d+)?|1(\.0+)?")
_OF_WORKFLOW = ("WORKFLOW_NAME", "WORKFLOW_RUN_ID")


@dataclass(frozen=True)
class JobRun:
    """One run of a job: its id, the code that it runs, the arguments that it asked for, the `workflow` run it is in.

    A stage that a passing fault cut off is tried again within the run, see `attempts.retried`: `attempt` counts from 1.
    """

    id: str
    code_version: str
    arguments: dict[str, str]
    attempt: int = 1
    workflow: WorkflowRun | None = None

    @property
    def attempt_id(self) -> str:
        """What no other attempt has, of this run or another: eight digits of the run, then which attempt it is."""
        digits = self.id.removeprefix("jr_")[:8]
        return digits if self.attempt == 1 else f"{digits}-{self.attempt}"

    def fraction(self, name: str) -> float | None:
        """Return the optional argument `name` as a share, from 0 to 1, None where the run was not given it."""
        value = self.arguments.get(name)
        if value is None:
            return None
        if not _SHARE.fullmatch(value):
            raise ArgumentError(name, value, "a share from 0 to 1, such as 0.25,")
        return float(value)

    def flag(self, name: str) -> bool:
        """Return whether the run was given the optional argument `name` as `true`."""
        value = self.arguments.get(name, "false")
        if value not in {"true", "false"}:
            raise ArgumentError(name, value, "true or false")
        return value == "true"

    @cached_property
    def spark(self) -> SparkSession:
        """The Spark session, started when it is first needed: a run that finds nothing to do needs none."""
        session = (
            SparkSession.builder.config("spark.sql.session.timeZone", "UTC")
            .config("spark.sql.ansi.enabled", "true")
            .config("spark.hadoop.mapreduce.fileoutputcommitter.marksuccessfuljobs", "false")
            .getOrCreate()
        )
        if CERTIFICATES.is_file():
            session.sparkContext.addFile(str(CERTIFICATES.resolve()))
        return session


@contextmanager
def job(argv: list[str], *names: str, optional: tuple[str, ...] = ()) -> Iterator[JobRun]:
    """Run the block as the Glue job run that `argv` describes, with the arguments called `names`.

    Those called `optional` are there when the run was given them. An exception goes on to Glue, which then fails the
    run with its last line as the message; of one that is a page long it gets the line that says what happened.
    """
    known = {word.split("=")[0] for word in argv}
    given = [name for name in (*optional, *_OF_WORKFLOW) if f"--{name}" in known]
    resolved = getResolvedOptions(argv, ["JOB_NAME", "code_version", *names, *given])  # JOB_RUN_ID comes unasked
    run = JobRun(
        id=resolved["JOB_RUN_ID"],
        code_version=resolved["code_version"],
        arguments={name: resolved[name] for name in (*names, *given) if name not in _OF_WORKFLOW},
        workflow=WorkflowRun(*(resolved[name] for name in _OF_WORKFLOW)) if _OF_WORKFLOW[1] in given else None,
    )
    with worklog.unit("job", job=resolved["JOB_NAME"], run_id=run.id, code_version=run.code_version):
        try:
            yield run
        except TotelakeError:
            raise
        except Exception as error:
            if len(str(error).splitlines()) <= 1:
                raise
            raise UnforeseenError(error) from error

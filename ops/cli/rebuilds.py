"""Full refresh of a zone from the zone before it."""

from contextlib import suppress

from local_aws.state import State
from ops.cli import workflow_runs
from ops.cli.screen import console, number, steps
from ops.sandbox import aws, databases, deployment, job_run
from ops.sandbox.settings import SandboxSettings
from totelake.runtime.errors import AlreadyRunningError, WarehouseSchemaError

# A rebuilt processed zone is loaded at once; otherwise the warehouse would show the old one until the next run.
_STAGES = {
    "processed": (("transform", {"--rebuild": "true"}), ("load", {})),
    "warehouse": (("load", {"--rebuild": "true"}),),
}


def rebuild(state: State, settings: SandboxSettings, zone: str) -> None:
    """Run the jobs that rebuild `zone`; exit with status 1 when one of them fails.

    Tables that the warehouse lacks are created by its owner before.
    """
    with suppress(WarehouseSchemaError, AlreadyRunningError):  # the load reports it, too
        databases.define_warehouse(settings)
    glue, logs, jobs = aws.client(settings, "glue"), aws.client(settings, "logs"), deployment.outputs(state)["jobs"]
    for stage, arguments in _STAGES[zone]:
        with steps() as step, step(f"{stage}, full refresh" if arguments else stage):
            run = job_run.run(glue, logs, jobs[stage], arguments)
        if not run.succeeded:
            workflow_runs.exit_with_failure(stage, run)
    rows = {line["table"]: line["rows"] for line in run.lines if line.get("event") == "table_loaded"}
    console.print(f"The warehouse was reloaded: {number(sum(rows.values()))} rows in {len(rows)} tables.")

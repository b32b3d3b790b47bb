"""Making a zone anew from the one before it."""

from local_aws.state import State
from ops.cli import workflow_runs
from ops.cli.screen import console, number, steps
from ops.sandbox import aws, deployment, job_run
from ops.sandbox.settings import SandboxSettings

# A processed zone that began anew is loaded at once: the warehouse would otherwise show the old one until the next run.
_STAGES = {
    "processed": (("transform", {"--rebuild": "true"}), ("load", {})),
    "warehouse": (("load", {"--rebuild": "true"}),),
}


def rebuild(state: State, settings: SandboxSettings, zone: str) -> None:
    """Run the jobs that make `zone` anew; end with exit status 1 when one of them fails."""
    glue, logs, jobs = aws.client(settings, "glue"), aws.client(settings, "logs"), deployment.outputs(state)["jobs"]
    for stage, arguments in _STAGES[zone]:
        with steps() as step, step(f"{stage}, everything anew" if arguments else stage):
            run = job_run.run(glue, logs, jobs[stage], arguments)
        if not run.succeeded:
            workflow_runs.give_up(stage, run)
    rows = {line["table"]: line["rows"] for line in run.lines if line.get("event") == "table_loaded"}
    console.print(f"The warehouse was loaded anew: {number(sum(rows.values()))} rows in {len(rows)} tables.")

"""Workflows for tests: creation, start, and states of the job runs."""

from typing import Any

SLEEP = "import time; time.sleep(60)"
FAIL = "raise ValueError('no')"


def workflow(world: Any, name: str, **members: Any) -> str:
    """Create a workflow and return its name."""
    return str(world.glue.create_workflow(Name=name, **members)["Name"])


def start(world: Any, name: str, **members: Any) -> str:
    """Start a run of a workflow and return its id."""
    return str(world.glue.start_workflow_run(Name=name, **members)["RunId"])


def states(world: Any, run: dict[str, Any]) -> dict[str, list[str]]:
    """Return the states of the job runs of each job of a workflow run."""
    nodes = world.nodes(run)
    return {
        name: [job_run["JobRunState"] for job_run in node["JobDetails"].get("JobRuns", [])]
        for name, node in nodes.items()
        if node["Type"] == "JOB"
    }


def error_code(error: Any) -> str:
    """Return the error code of a rejected request."""
    return str(error.value.response["Error"]["Code"])

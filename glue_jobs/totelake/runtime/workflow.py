"""The workflow run that a job run belongs to: what one job notes in its properties, the later ones find there."""

from dataclasses import dataclass

import boto3


@dataclass(frozen=True, slots=True)
class WorkflowRun:
    """A run of the workflow `name`; Glue logs its properties, so nothing secret goes into them."""

    name: str
    id: str

    def note(self, **properties: str) -> None:
        """Set these properties of the run, for the jobs that come after this one."""
        boto3.client("glue").put_workflow_run_properties(Name=self.name, RunId=self.id, RunProperties=properties)

    def find(self, name: str) -> str | None:
        """Return the property `name` of the run, None when no job has noted it."""
        found = boto3.client("glue").get_workflow_run_properties(Name=self.name, RunId=self.id)
        value: str | None = found["RunProperties"].get(name)
        return value

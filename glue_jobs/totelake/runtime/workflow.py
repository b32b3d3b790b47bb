"""The workflow run that a job run belongs to; its properties pass values from one job to the later ones."""

from dataclasses import dataclass

import boto3


@dataclass(frozen=True, slots=True)
class WorkflowRun:
    """A run of the workflow `name`; Glue logs its properties, so they must not hold secrets."""

    name: str
    id: str

    def set_properties(self, **properties: str) -> None:
        """Set properties of the run, for the jobs that run after this one."""
        boto3.client("glue").put_workflow_run_properties(Name=self.name, RunId=self.id, RunProperties=properties)

    def get_property(self, name: str) -> str | None:
        """Return the property `name` of the run, None when no job has set it."""
        response = boto3.client("glue").get_workflow_run_properties(Name=self.name, RunId=self.id)
        value: str | None = response["RunProperties"].get(name)
        return value

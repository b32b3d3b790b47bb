"""The operations on workflows and their runs."""

from typing import override

from local_aws.glue.operations.base import ApiRequest, ApiResult, GlueOperations, find_all, operation, tag
from local_aws.glue.operations.pages import page
from local_aws.glue.service import Glue
from local_aws.glue.workflows.runs import GlueWorkflowRun, described_graph


class WorkflowOperations(GlueOperations):
    """The operations on workflows and their runs."""

    @override
    @operation
    def create_workflow(self, request: ApiRequest) -> ApiResult:
        """Add a workflow."""
        self.glue.create_workflow(request)
        tag(self.glue, "workflow", request)
        return {"Name": request["Name"]}

    @override
    @operation
    def update_workflow(self, request: ApiRequest) -> ApiResult:
        """Change a workflow."""
        self.glue.update_workflow(request)
        return {"Name": request["Name"]}

    @override
    @operation
    def delete_workflow(self, request: ApiRequest) -> ApiResult:
        """Remove a workflow."""
        self.glue.delete_workflow(request["Name"])
        return {"Name": request["Name"]}

    @override
    @operation
    def get_workflow(self, request: ApiRequest) -> ApiResult:
        """Show a workflow with its last run."""
        return {"Workflow": _workflow(self.glue, request["Name"], graph=request.get("IncludeGraph", False))}

    @override
    @operation
    def batch_get_workflows(self, request: ApiRequest) -> ApiResult:
        """Show the workflows of these names."""
        graph = request.get("IncludeGraph", False)
        present, missing = find_all(request["Names"], lambda name: _workflow(self.glue, name, graph=graph))
        return {"Workflows": present, "MissingWorkflows": missing}

    @override
    @operation
    def list_workflows(self, request: ApiRequest) -> ApiResult:
        """Name all workflows, in pages."""
        names, token = page(self.glue.workflow_names(), str, request, 25)
        return {"Workflows": names, **token}

    @override
    @operation
    def start_workflow_run(self, request: ApiRequest) -> ApiResult:
        """Begin a run of a workflow."""
        return {"RunId": self.glue.start_workflow(request["Name"], request.get("RunProperties") or {}).id}

    @override
    @operation
    def stop_workflow_run(self, request: ApiRequest) -> ApiResult:
        """Stop a run of a workflow."""
        self.glue.workflow(request["Name"])
        self.glue.runs.stop(request["Name"], request["RunId"])
        return {}

    @operation
    def resume_workflow_run(self, request: ApiRequest) -> ApiResult:
        """Repeat nodes of a completed run, and what follows them, in a new run."""
        run, nodes = self.glue.resume_workflow(request["Name"], request["RunId"], request["NodeIds"])
        return {"RunId": run.id, "NodeIds": nodes}

    @override
    @operation
    def get_workflow_run(self, request: ApiRequest) -> ApiResult:
        """Show a run of a workflow."""
        run = self.glue.workflow_run(request["Name"], request["RunId"])
        return {"Run": _run(self.glue, run, graph=request.get("IncludeGraph", False))}

    @override
    @operation
    def get_workflow_runs(self, request: ApiRequest) -> ApiResult:
        """Show the runs of a workflow, newest first, in pages."""
        self.glue.workflow(request["Name"])
        runs, token = page(self.glue.runs.of(request["Name"]), lambda run: run.id, request, 1000)
        graph = request.get("IncludeGraph", False)
        return {"Runs": [_run(self.glue, run, graph=graph) for run in runs], **token}

    @override
    @operation
    def get_workflow_run_properties(self, request: ApiRequest) -> ApiResult:
        """Show the properties of a run."""
        return {"RunProperties": dict(self.glue.workflow_run(request["Name"], request["RunId"]).properties)}

    @override
    @operation
    def put_workflow_run_properties(self, request: ApiRequest) -> ApiResult:
        """Add properties to a run, or change them."""
        self.glue.put_run_properties(request["Name"], request["RunId"], request["RunProperties"])
        return {}


def _run(glue: Glue, run: GlueWorkflowRun, *, graph: bool) -> ApiResult:
    with glue.lock:
        return glue.runs.refresh(run).described(glue.jobs.run, graph=graph)


def _workflow(glue: Glue, name: str, *, graph: bool) -> ApiResult:
    with glue.lock:
        described = dict(glue.workflow(name))
        runs = glue.runs.of(name)
        if runs:
            described["LastRun"] = _run(glue, runs[0], graph=graph)
        if graph:
            described["Graph"] = described_graph(name, glue.triggers.plan(name), [], glue.jobs.run)
        return described

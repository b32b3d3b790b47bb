"""The operations on workflows and their runs."""

from local_aws.glue.api import Answer, Request, found, tag
from local_aws.glue.pages import page
from local_aws.glue.service import Glue
from local_aws.glue.workflow_runs import WorkflowRun, described_graph


def create_workflow(glue: Glue, request: Request) -> Answer:
    """Add a workflow."""
    glue.create_workflow(request)
    tag(glue, "workflow", request)
    return {"Name": request["Name"]}


def update_workflow(glue: Glue, request: Request) -> Answer:
    """Change a workflow."""
    glue.update_workflow(request)
    return {"Name": request["Name"]}


def delete_workflow(glue: Glue, request: Request) -> Answer:
    """Remove a workflow."""
    glue.delete_workflow(request["Name"])
    return {"Name": request["Name"]}


def get_workflow(glue: Glue, request: Request) -> Answer:
    """Show a workflow with its last run."""
    return {"Workflow": _workflow(glue, request["Name"], graph=request.get("IncludeGraph", False))}


def batch_get_workflows(glue: Glue, request: Request) -> Answer:
    """Show the workflows of these names."""
    graph = request.get("IncludeGraph", False)
    present, missing = found(request["Names"], lambda name: _workflow(glue, name, graph=graph))
    return {"Workflows": present, "MissingWorkflows": missing}


def list_workflows(glue: Glue, request: Request) -> Answer:
    """Name all workflows, in pages."""
    names, token = page(glue.workflow_names(), str, request, 25)
    return {"Workflows": names, **token}


def start_workflow_run(glue: Glue, request: Request) -> Answer:
    """Begin a run of a workflow."""
    return {"RunId": glue.start_workflow(request["Name"], request.get("RunProperties") or {}).id}


def stop_workflow_run(glue: Glue, request: Request) -> Answer:
    """Stop a run of a workflow."""
    glue.workflow(request["Name"])
    glue.runs.stop(request["Name"], request["RunId"])
    return {}


def resume_workflow_run(glue: Glue, request: Request) -> Answer:
    """Repeat nodes of a completed run, and what follows them, in a new run."""
    run, nodes = glue.resume_workflow(request["Name"], request["RunId"], request["NodeIds"])
    return {"RunId": run.id, "NodeIds": nodes}


def get_workflow_run(glue: Glue, request: Request) -> Answer:
    """Show a run of a workflow."""
    run = glue.workflow_run(request["Name"], request["RunId"])
    return {"Run": _run(glue, run, graph=request.get("IncludeGraph", False))}


def get_workflow_runs(glue: Glue, request: Request) -> Answer:
    """Show the runs of a workflow, newest first, in pages."""
    glue.workflow(request["Name"])
    runs, token = page(glue.runs.of(request["Name"]), lambda run: run.id, request, 1000)
    graph = request.get("IncludeGraph", False)
    return {"Runs": [_run(glue, run, graph=graph) for run in runs], **token}


def get_workflow_run_properties(glue: Glue, request: Request) -> Answer:
    """Show the properties of a run."""
    return {"RunProperties": dict(glue.workflow_run(request["Name"], request["RunId"]).properties)}


def put_workflow_run_properties(glue: Glue, request: Request) -> Answer:
    """Add properties to a run, or change them."""
    glue.put_run_properties(request["Name"], request["RunId"], request["RunProperties"])
    return {}


def _run(glue: Glue, run: WorkflowRun, *, graph: bool) -> Answer:
    with glue.lock:
        return glue.runs.refresh(run).described(glue.jobs.run, graph=graph)


def _workflow(glue: Glue, name: str, *, graph: bool) -> Answer:
    with glue.lock:
        said = dict(glue.workflow(name))
        runs = glue.runs.of(name)
        if runs:
            said["LastRun"] = _run(glue, runs[0], graph=graph)
        if graph:
            said["Graph"] = described_graph(name, glue.triggers.plan(name), [], glue.jobs.run)
        return said

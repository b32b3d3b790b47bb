"""The operations of Glue's API that are not moto's any more: one function each, put in the place of moto's methods."""

from collections.abc import Callable, Mapping
from typing import Any

from moto.core.responses import ActionResult
from moto.glue.models import glue_backends
from moto.glue.responses import GlueResponse

from local_aws.glue import requests
from local_aws.glue.errors import EntityNotFoundError, GlueError, InvalidInputError
from local_aws.glue.jobs import Order
from local_aws.glue.pages import page
from local_aws.glue.service import Glue
from local_aws.glue.workflow_runs import WorkflowRun, described_graph

type Request = dict[str, Any]
type Answer = dict[str, Any]

OPERATIONS: dict[str, Callable[[Glue, Request], Answer]] = {}


def operation(name: str) -> Callable[[Callable[[Glue, Request], Answer]], Callable[[Glue, Request], Answer]]:
    """Note that a function is the operation of this name."""

    def note(function: Callable[[Glue, Request], Answer]) -> Callable[[Glue, Request], Answer]:
        OPERATIONS[name] = function
        return function

    return note


def replace_methods(glue: Callable[[], Glue]) -> None:
    """Put every operation in the place of moto's method of that name; `glue` returns the one to work on."""
    for name, function in OPERATIONS.items():
        setattr(GlueResponse, _method_name(name), _method(name, function, glue))


def _method_name(operation_name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in operation_name).lstrip("_")


def _method(
    name: str, function: Callable[[Glue, Request], Answer], glue: Callable[[], Glue]
) -> Callable[[GlueResponse], ActionResult]:
    def method(self: GlueResponse) -> ActionResult:
        request = self.parameters
        requests.validate(name, request)
        return ActionResult(function(glue(), request))

    return method


def _arn(glue: Glue, kind: str, name: str) -> str:
    return f"arn:aws:glue:{glue.world.region}:{glue.world.account_id}:{kind}/{name}"


def _tag(glue: Glue, kind: str, request: Request) -> None:
    """Keep the tags of something that was made: moto's own TagResource and GetTags go on with them."""
    backend = glue_backends[glue.world.account_id][glue.world.region]
    backend.tag_resource(_arn(glue, kind, request["Name"]), request.get("Tags") or {})


def _tagged(glue: Glue, kind: str, names: list[str], tags: Mapping[str, str] | None) -> list[str]:
    if not tags:
        return names
    backend = glue_backends[glue.world.account_id][glue.world.region]
    return [name for name in names if tags.items() <= backend.get_tags(_arn(glue, kind, name)).items()]


def _found[Item](names: list[str], find: Callable[[str], Item]) -> tuple[list[Item], list[str]]:
    found, missing = [], []
    for name in names:
        try:
            found.append(find(name))
        except EntityNotFoundError:
            missing.append(name)
    return found, missing


@operation("CreateJob")
def create_job(glue: Glue, request: Request) -> Answer:
    """Add a job."""
    glue.jobs.create(request)
    _tag(glue, "job", request)
    return {"Name": request["Name"]}


@operation("UpdateJob")
def update_job(glue: Glue, request: Request) -> Answer:
    """Replace a job's definition."""
    glue.jobs.update(request["JobName"], request["JobUpdate"])
    return {"JobName": request["JobName"]}


@operation("DeleteJob")
def delete_job(glue: Glue, request: Request) -> Answer:
    """Remove a job."""
    glue.jobs.delete(request["JobName"])
    return {"JobName": request["JobName"]}


@operation("GetJob")
def get_job(glue: Glue, request: Request) -> Answer:
    """Show a job."""
    return {"Job": glue.jobs.definition(request["JobName"])}


@operation("GetJobs")
def get_jobs(glue: Glue, request: Request) -> Answer:
    """Show all jobs, in pages."""
    names, token = page(glue.jobs.names(), str, request, 100)
    return {"Jobs": [glue.jobs.definition(name) for name in names], **token}


@operation("BatchGetJobs")
def batch_get_jobs(glue: Glue, request: Request) -> Answer:
    """Show the jobs of these names."""
    jobs, missing = _found(request["JobNames"], glue.jobs.definition)
    return {"Jobs": jobs, "JobsNotFound": missing}


@operation("ListJobs")
def list_jobs(glue: Glue, request: Request) -> Answer:
    """Name all jobs, or those with these tags, in pages."""
    names, token = page(_tagged(glue, "job", glue.jobs.names(), request.get("Tags")), str, request, 100)
    return {"JobNames": names, **token}


@operation("StartJobRun")
def start_job_run(glue: Glue, request: Request) -> Answer:
    """Start a run of a job by hand; no trigger follows from it."""
    attempt, previous = 0, request.get("JobRunId")
    if previous:
        attempt = glue.jobs.run(previous, request["JobName"]).attempt + 1
    order = Order(request=request, attempt=attempt, previous_run_id=previous)
    return {"JobRunId": glue.jobs.start(request["JobName"], order).id}


@operation("GetJobRun")
def get_job_run(glue: Glue, request: Request) -> Answer:
    """Show a run of a job."""
    glue.jobs.definition(request["JobName"])
    run = glue.jobs.run(request["RunId"], request["JobName"])
    return {"JobRun": run.described(predecessors=bool(request.get("PredecessorsIncluded", True)))}


@operation("GetJobRuns")
def get_job_runs(glue: Glue, request: Request) -> Answer:
    """Show the runs of a job, newest first, in pages."""
    runs, token = page(glue.jobs.runs(request["JobName"]), lambda run: run.id, request, 200)
    return {"JobRuns": [run.described() for run in runs], **token}


@operation("BatchStopJobRun")
def batch_stop_job_run(glue: Glue, request: Request) -> Answer:
    """Tell runs of a job to stop."""
    name = request["JobName"]
    stopped: list[Answer] = []
    errors: list[Answer] = []
    for run_id in request["JobRunIds"]:
        said = {"JobName": name, "JobRunId": run_id}
        try:
            glue.jobs.run(run_id, name)
            if not glue.jobs.stop(run_id):
                raise InvalidInputError(f"Job run {run_id} has ended already.")
        except GlueError as error:
            errors.append({**said, "ErrorDetail": {"ErrorCode": error.code, "ErrorMessage": error.message}})
        else:
            stopped.append(said)
    return {"SuccessfulSubmissions": stopped, "Errors": errors}


@operation("CreateTrigger")
def create_trigger(glue: Glue, request: Request) -> Answer:
    """Add a trigger."""
    glue.triggers.create(request)
    _tag(glue, "trigger", request)
    return {"Name": request["Name"]}


@operation("UpdateTrigger")
def update_trigger(glue: Glue, request: Request) -> Answer:
    """Replace what a trigger does and waits for."""
    return {"Trigger": glue.triggers.update(request["Name"], request["TriggerUpdate"])}


@operation("DeleteTrigger")
def delete_trigger(glue: Glue, request: Request) -> Answer:
    """Remove a trigger."""
    glue.triggers.delete(request["Name"])
    return {"Name": request["Name"]}


@operation("GetTrigger")
def get_trigger(glue: Glue, request: Request) -> Answer:
    """Show a trigger."""
    return {"Trigger": glue.triggers.definition(request["Name"])}


@operation("GetTriggers")
def get_triggers(glue: Glue, request: Request) -> Answer:
    """Show all triggers, or those that start a job, in pages."""
    names, token = page(glue.triggers.names(request.get("DependentJobName")), str, request, 100)
    return {"Triggers": [glue.triggers.definition(name) for name in names], **token}


@operation("BatchGetTriggers")
def batch_get_triggers(glue: Glue, request: Request) -> Answer:
    """Show the triggers of these names."""
    found, missing = _found(request["TriggerNames"], glue.triggers.definition)
    return {"Triggers": found, "TriggersNotFound": missing}


@operation("ListTriggers")
def list_triggers(glue: Glue, request: Request) -> Answer:
    """Name all triggers, or those that start a job or have these tags, in pages."""
    chosen = _tagged(glue, "trigger", glue.triggers.names(request.get("DependentJobName")), request.get("Tags"))
    names, token = page(chosen, str, request, 100)
    return {"TriggerNames": names, **token}


@operation("StartTrigger")
def start_trigger(glue: Glue, request: Request) -> Answer:
    """Fire an ON_DEMAND trigger, or activate one of another type."""
    glue.start_trigger(request["Name"])
    return {"Name": request["Name"]}


@operation("StopTrigger")
def stop_trigger(glue: Glue, request: Request) -> Answer:
    """Deactivate a trigger."""
    glue.stop_trigger(request["Name"])
    return {"Name": request["Name"]}


@operation("CreateWorkflow")
def create_workflow(glue: Glue, request: Request) -> Answer:
    """Add a workflow."""
    glue.create_workflow(request)
    _tag(glue, "workflow", request)
    return {"Name": request["Name"]}


@operation("UpdateWorkflow")
def update_workflow(glue: Glue, request: Request) -> Answer:
    """Change a workflow."""
    glue.update_workflow(request)
    return {"Name": request["Name"]}


@operation("DeleteWorkflow")
def delete_workflow(glue: Glue, request: Request) -> Answer:
    """Remove a workflow."""
    glue.delete_workflow(request["Name"])
    return {"Name": request["Name"]}


@operation("GetWorkflow")
def get_workflow(glue: Glue, request: Request) -> Answer:
    """Show a workflow with its last run."""
    return {"Workflow": _workflow(glue, request["Name"], graph=request.get("IncludeGraph", False))}


@operation("BatchGetWorkflows")
def batch_get_workflows(glue: Glue, request: Request) -> Answer:
    """Show the workflows of these names."""
    graph = request.get("IncludeGraph", False)
    found, missing = _found(request["Names"], lambda name: _workflow(glue, name, graph=graph))
    return {"Workflows": found, "MissingWorkflows": missing}


@operation("ListWorkflows")
def list_workflows(glue: Glue, request: Request) -> Answer:
    """Name all workflows, in pages."""
    names, token = page(glue.workflow_names(), str, request, 25)
    return {"Workflows": names, **token}


@operation("StartWorkflowRun")
def start_workflow_run(glue: Glue, request: Request) -> Answer:
    """Begin a run of a workflow."""
    return {"RunId": glue.start_workflow(request["Name"], request.get("RunProperties") or {}).id}


@operation("StopWorkflowRun")
def stop_workflow_run(glue: Glue, request: Request) -> Answer:
    """Stop a run of a workflow."""
    glue.workflow(request["Name"])
    glue.runs.stop(request["Name"], request["RunId"])
    return {}


@operation("ResumeWorkflowRun")
def resume_workflow_run(glue: Glue, request: Request) -> Answer:
    """Repeat nodes of a completed run, and what follows them, in a new run."""
    run, nodes = glue.resume_workflow(request["Name"], request["RunId"], request["NodeIds"])
    return {"RunId": run.id, "NodeIds": nodes}


@operation("GetWorkflowRun")
def get_workflow_run(glue: Glue, request: Request) -> Answer:
    """Show a run of a workflow."""
    run = glue.workflow_run(request["Name"], request["RunId"])
    return {"Run": _run(glue, run, graph=request.get("IncludeGraph", False))}


@operation("GetWorkflowRuns")
def get_workflow_runs(glue: Glue, request: Request) -> Answer:
    """Show the runs of a workflow, newest first, in pages."""
    glue.workflow(request["Name"])
    runs, token = page(glue.runs.of(request["Name"]), lambda run: run.id, request, 1000)
    graph = request.get("IncludeGraph", False)
    return {"Runs": [_run(glue, run, graph=graph) for run in runs], **token}


@operation("GetWorkflowRunProperties")
def get_workflow_run_properties(glue: Glue, request: Request) -> Answer:
    """Show the properties of a run."""
    return {"RunProperties": dict(glue.workflow_run(request["Name"], request["RunId"]).properties)}


@operation("PutWorkflowRunProperties")
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

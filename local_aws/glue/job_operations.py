"""The operations on jobs and their runs."""

from local_aws.glue.api import Answer, Request, found, tag, tagged
from local_aws.glue.errors import GlueError, InvalidInputError
from local_aws.glue.jobs import Order
from local_aws.glue.pages import page
from local_aws.glue.service import Glue


def create_job(glue: Glue, request: Request) -> Answer:
    """Add a job."""
    glue.jobs.definitions.create(request)
    glue.executor.expect(request["Command"])
    tag(glue, "job", request)
    return {"Name": request["Name"]}


def update_job(glue: Glue, request: Request) -> Answer:
    """Replace a job's definition."""
    glue.jobs.definitions.update(request["JobName"], request["JobUpdate"])
    return {"JobName": request["JobName"]}


def delete_job(glue: Glue, request: Request) -> Answer:
    """Remove a job."""
    glue.jobs.definitions.delete(request["JobName"])
    return {"JobName": request["JobName"]}


def get_job(glue: Glue, request: Request) -> Answer:
    """Show a job."""
    return {"Job": glue.jobs.definitions.get(request["JobName"])}


def get_jobs(glue: Glue, request: Request) -> Answer:
    """Show all jobs, in pages."""
    names, token = page(glue.jobs.definitions.names(), str, request, 100)
    return {"Jobs": [glue.jobs.definitions.get(name) for name in names], **token}


def batch_get_jobs(glue: Glue, request: Request) -> Answer:
    """Show the jobs of these names."""
    jobs, missing = found(request["JobNames"], glue.jobs.definitions.get)
    return {"Jobs": jobs, "JobsNotFound": missing}


def list_jobs(glue: Glue, request: Request) -> Answer:
    """Name all jobs, or those with these tags, in pages."""
    names, token = page(tagged(glue, "job", glue.jobs.definitions.names(), request.get("Tags")), str, request, 100)
    return {"JobNames": names, **token}


def start_job_run(glue: Glue, request: Request) -> Answer:
    """Start a run of a job by hand; no trigger follows from it."""
    attempt, previous = 0, request.get("JobRunId")
    if previous:
        attempt = glue.jobs.run(previous, request["JobName"]).attempt + 1
    order = Order(request=request, attempt=attempt, previous_run_id=previous)
    return {"JobRunId": glue.jobs.start(request["JobName"], order).id}


def get_job_run(glue: Glue, request: Request) -> Answer:
    """Show a run of a job."""
    glue.jobs.definitions.get(request["JobName"])
    run = glue.jobs.run(request["RunId"], request["JobName"])
    return {"JobRun": run.described(predecessors=bool(request.get("PredecessorsIncluded", True)))}


def get_job_runs(glue: Glue, request: Request) -> Answer:
    """Show the runs of a job, newest first, in pages."""
    runs, token = page(glue.jobs.runs(request["JobName"]), lambda run: run.id, request, 200)
    return {"JobRuns": [run.described() for run in runs], **token}


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

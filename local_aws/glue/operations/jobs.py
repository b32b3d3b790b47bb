"""The operations on jobs and their runs."""

from typing import override

from local_aws.glue.errors import GlueError, InvalidInputError
from local_aws.glue.jobs.runner import RunRequest
from local_aws.glue.operations.base import ApiRequest, ApiResult, GlueOperations, find_all, operation, tag, with_tags
from local_aws.glue.operations.pages import page


class JobOperations(GlueOperations):
    """The operations on jobs and their runs."""

    @override
    @operation
    def create_job(self, request: ApiRequest) -> ApiResult:
        """Add a job."""
        self.glue.jobs.definitions.create(request)
        self.glue.executor.expect(request["Command"])
        tag(self.glue, "job", request)
        return {"Name": request["Name"]}

    @operation
    def update_job(self, request: ApiRequest) -> ApiResult:
        """Replace a job's definition."""
        self.glue.jobs.definitions.update(request["JobName"], request["JobUpdate"])
        return {"JobName": request["JobName"]}

    @override
    @operation
    def delete_job(self, request: ApiRequest) -> ApiResult:
        """Remove a job."""
        self.glue.jobs.definitions.delete(request["JobName"])
        return {"JobName": request["JobName"]}

    @override
    @operation
    def get_job(self, request: ApiRequest) -> ApiResult:
        """Show a job."""
        return {"Job": self.glue.jobs.definitions.get(request["JobName"])}

    @override
    @operation
    def get_jobs(self, request: ApiRequest) -> ApiResult:
        """Show all jobs, in pages."""
        names, token = page(self.glue.jobs.definitions.names(), str, request, 100)
        return {"Jobs": [self.glue.jobs.definitions.get(name) for name in names], **token}

    @override
    @operation
    def batch_get_jobs(self, request: ApiRequest) -> ApiResult:
        """Show the jobs of these names."""
        jobs, missing = find_all(request["JobNames"], self.glue.jobs.definitions.get)
        return {"Jobs": jobs, "JobsNotFound": missing}

    @override
    @operation
    def list_jobs(self, request: ApiRequest) -> ApiResult:
        """Name all jobs, or those with these tags, in pages."""
        names, token = page(
            with_tags(self.glue, "job", self.glue.jobs.definitions.names(), request.get("Tags")), str, request, 100
        )
        return {"JobNames": names, **token}

    @override
    @operation
    def start_job_run(self, request: ApiRequest) -> ApiResult:
        """Start a run of a job by hand; no trigger follows from it."""
        attempt, previous = 0, request.get("JobRunId")
        if previous:
            attempt = self.glue.jobs.run(previous, request["JobName"]).attempt + 1
        order = RunRequest(request=request, attempt=attempt, previous_run_id=previous)
        return {"JobRunId": self.glue.jobs.start(request["JobName"], order).id}

    @override
    @operation
    def get_job_run(self, request: ApiRequest) -> ApiResult:
        """Show a run of a job."""
        self.glue.jobs.definitions.get(request["JobName"])
        run = self.glue.jobs.run(request["RunId"], request["JobName"])
        return {"JobRun": run.described(predecessors=bool(request.get("PredecessorsIncluded", True)))}

    @override
    @operation
    def get_job_runs(self, request: ApiRequest) -> ApiResult:
        """Show the runs of a job, newest first, in pages."""
        runs, token = page(self.glue.jobs.runs(request["JobName"]), lambda run: run.id, request, 200)
        return {"JobRuns": [run.described() for run in runs], **token}

    @operation
    def batch_stop_job_run(self, request: ApiRequest) -> ApiResult:
        """Tell runs of a job to stop."""
        name = request["JobName"]
        stopped: list[ApiResult] = []
        errors: list[ApiResult] = []
        for run_id in request["JobRunIds"]:
            described = {"JobName": name, "JobRunId": run_id}
            try:
                self.glue.jobs.run(run_id, name)
                if not self.glue.jobs.stop(run_id):
                    raise InvalidInputError(f"Job run {run_id} has ended already.")
            except GlueError as error:
                errors.append({**described, "ErrorDetail": {"ErrorCode": error.code, "ErrorMessage": error.message}})
            else:
                stopped.append(described)
        return {"SuccessfulSubmissions": stopped, "Errors": errors}

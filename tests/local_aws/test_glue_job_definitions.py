"""Definitions of Glue jobs, and the error codes of invalid requests."""

from typing import Any

import pytest
from botocore.exceptions import ClientError


def test_job_definitions_are_created_replaced_listed_and_deleted(world: Any):
    """GetJob, BatchGetJobs, ListJobs and GetTags return the definition; UpdateJob replaces it."""
    world.job("defined", "", Tags={"team": "data"}, Description="first", MaxRetries=1)
    job = world.glue.get_job(JobName="defined")["Job"]
    assert (job["Description"], job["MaxRetries"], job["ExecutionProperty"]) == ("first", 1, {"MaxConcurrentRuns": 1})
    world.glue.update_job(JobName="defined", JobUpdate={"Role": "other", "Command": job["Command"], "Timeout": 5})
    updated = world.glue.batch_get_jobs(JobNames=["defined", "undefined"])
    assert updated["JobsNotFound"] == ["undefined"]
    assert (updated["Jobs"][0]["Role"], updated["Jobs"][0]["Timeout"]) == ("other", 5)
    assert "Description" not in updated["Jobs"][0]
    assert updated["Jobs"][0]["CreatedOn"] == job["CreatedOn"]
    assert world.glue.list_jobs(Tags={"team": "data"})["JobNames"] == ["defined"]
    assert world.glue.get_tags(ResourceArn="arn:aws:glue:eu-west-2:123456789012:job/defined")["Tags"] == {
        "team": "data"
    }
    assert "defined" in [item["Name"] for item in world.glue.get_jobs()["Jobs"]]
    world.glue.delete_job(JobName="defined")
    world.glue.delete_job(JobName="defined")
    assert "defined" not in world.glue.list_jobs()["JobNames"]


@pytest.mark.parametrize(
    ("operation", "request_", "code"),
    [
        ("get_job", {"JobName": "none"}, "EntityNotFoundException"),
        ("start_job_run", {"JobName": "none"}, "EntityNotFoundException"),
        ("get_job_run", {"JobName": "none", "RunId": "jr"}, "EntityNotFoundException"),
        ("get_job_runs", {"JobName": "none"}, "EntityNotFoundException"),
        ("update_job", {"JobName": "none", "JobUpdate": {}}, "EntityNotFoundException"),
        ("create_job", {"Name": "known", "Role": "r", "Command": {"ScriptLocation": "s"}}, "AlreadyExistsException"),
        ("create_job", {"Name": "x", "Role": "r", "Command": {}}, "InvalidInputException"),
        (
            "create_job",
            {"Name": "x", "Role": "r", "Command": {"ScriptLocation": "s"}, "ExecutionClass": "FAST"},
            "InvalidInputException",
        ),
        (
            "create_job",
            {"Name": "x", "Role": "r", "Command": {"ScriptLocation": "s"}, "MaxCapacity": 2.0, "WorkerType": "G.1X"},
            "InvalidInputException",
        ),
    ],
)
def test_invalid_requests_have_the_error_codes_of_aws(world: Any, operation: str, request_: dict[str, Any], code: str):
    """Clients catch exceptions by these names."""
    if "known" not in world.glue.list_jobs()["JobNames"]:
        world.job("known")
    with pytest.raises(ClientError) as error:
        getattr(world.glue, operation)(**request_)
    assert error.value.response["Error"]["Code"] == code

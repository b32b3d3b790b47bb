"""Two local AWS, one after the other in one process, share nothing."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local_aws import mounting
from local_aws.server import LocalAws
from local_aws.state import State
from tests import roles
from tests.local_aws.conftest import OWNER

ARN = "arn:aws:{}:eu-west-2:123456789012:{}"


def fill(aws: LocalAws) -> str:
    """Make one thing of each kind that a service keeps; return the id of a statement of Redshift."""
    roles.create(aws.client("iam"), "role")
    s3, glue, athena = aws.client("s3"), aws.client("glue"), aws.client("athena")
    s3.create_bucket(Bucket="bucket", CreateBucketConfiguration={"LocationConstraint": "eu-west-2"})
    glue.create_database(DatabaseInput={"Name": "database"})
    glue.create_job(Name="job", Role="role", Command={"Name": "pythonshell", "ScriptLocation": "s3://bucket/job.py"})
    glue.create_workflow(Name="workflow")
    glue.create_trigger(
        Name="trigger",
        Type="SCHEDULED",
        Schedule="cron(0 6 * * ? *)",
        StartOnCreation=True,
        Actions=[{"JobName": "job"}],
        WorkflowName="workflow",
    )
    targets = {"S3Targets": [{"Path": "s3://bucket/"}]}
    glue.create_crawler(
        Name="crawler", Role="role", DatabaseName="database", Targets=targets, Schedule="cron(0 6 * * ? *)"
    )
    athena.start_query_execution(QueryString="SELECT 1", ResultConfiguration={"OutputLocation": "s3://bucket/"})
    aws.client("sns").create_topic(Name="topic")
    aws.client("events").put_rule(Name="rule", EventPattern=json.dumps({"source": ["x"]}))
    aws.client("scheduler").create_schedule(
        Name="schedule",
        ScheduleExpression="cron(0 6 * * ? *)",
        FlexibleTimeWindow={"Mode": "OFF"},
        Target={"Arn": ARN.format("sns", "topic"), "RoleArn": "arn:aws:iam::123456789012:role/role"},
    )
    submitted = aws.client("redshift-data").execute_statement(
        WorkgroupName="warehouse", Database="warehouse", Sql="SELECT 1"
    )
    return str(submitted["Id"])


def kept(aws: LocalAws) -> list[Any]:
    """Return all that the services list."""
    glue = aws.client("glue")
    return [
        *aws.client("s3").list_buckets()["Buckets"],
        *aws.client("iam").list_roles()["Roles"],
        *glue.get_databases()["DatabaseList"],
        *glue.get_jobs()["Jobs"],
        *glue.list_workflows()["Workflows"],
        *glue.get_triggers()["Triggers"],
        *glue.get_crawlers()["Crawlers"],
        *aws.client("athena").list_query_executions()["QueryExecutionIds"],
        *aws.client("sns").list_topics()["Topics"],
        *aws.client("events").list_rules()["Rules"],
        *aws.client("scheduler").list_schedules()["Schedules"],
    ]


def test_the_second_has_nothing_of_the_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Neither resources nor runs, nor schedules, nor a service that only the first was given."""
    monkeypatch.setenv("TOTELAKE_WARM_SPARK", "0")
    nowhere = "postgresql://127.0.0.1:1/nowhere"
    first = LocalAws(State(tmp_path / "first"), OWNER, redshift_database=lambda *_: nowhere)
    with first:
        statement = fill(first)
        assert len(kept(first)) == 11
        first.schedules._timetable.tick(datetime.now(UTC))
        assert len(first.schedules.upcoming()) == 3

    with LocalAws(State(tmp_path / "second"), OWNER) as second:
        assert kept(second) == []
        assert second.schedules.upcoming() == {}
        assert "redshift-data" not in mounting.mounts()
    assert first.schedules.upcoming() == {}

    with LocalAws(State(tmp_path / "third"), OWNER, redshift_database=lambda *_: nowhere) as third:
        api = third.client("redshift-data")
        assert api.list_statements(Status="ALL")["Statements"] == []
        with pytest.raises(ClientError, match="ResourceNotFound"):
            api.describe_statement(Id=statement)

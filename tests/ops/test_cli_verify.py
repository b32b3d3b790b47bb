"""`totelake verify` on a lake of a few small files: its report, its exit status, and the commands that it names."""

import json
import shlex
from io import StringIO
from urllib.parse import urlsplit

import boto3
import pyarrow as pa
import pytest
import typer
from botocore.credentials import Credentials

from local_aws.server import LocalAws
from local_aws.state import State
from ops.cli import lake_check
from ops.cli.screen import Screen
from ops.sandbox import deployment
from ops.sandbox.aws import OwnerClients
from ops.sandbox.settings import SandboxSettings
from tests.lakes import declare
from totelake.lake import catalog, objects
from totelake.lake.batches import IngestedBatch, IngestedTable, ProcessedBatch, ProcessedTable, Snapshot
from totelake.lake.commit_log import CommitLog
from totelake.lake.zones import INGESTED, PROCESSED

BATCHES = 9
"""So many that there is a checkpoint."""
TIME = "2024-11-21T09:00:00.000Z"
ROWS = pa.table({"payment_id": [1, 2], "paid": [True, False]})


@pytest.fixture
def world(tmp_path, monkeypatch):
    """Return the state and the settings of a local environment with `BATCHES` batches of one table in both zones."""
    with LocalAws(State(tmp_path), Credentials("local", "local")) as aws:
        for name, value in aws.environment.items():
            monkeypatch.setenv(name, value)
        s3 = boto3.client("s3")
        for bucket in ("ingested", "processed"):
            s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": "eu-west-2"})
            s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
        monkeypatch.setattr(
            deployment, "outputs", lambda _: {"buckets": {"ingested": "ingested", "processed": "processed"}}
        )
        declare(INGESTED, "ingested")
        declare(PROCESSED, "processed")
        for sequence in range(1, BATCHES + 1):
            commit(s3, sequence)
        settings = SandboxSettings(int(urlsplit(aws.url).port), 0, {}, access_key="local", secret_key="local")
        for zone, batch in ((INGESTED, IngestedBatch), (PROCESSED, ProcessedBatch)):
            files = CommitLog(zone.name, batch).live_files()
            catalog.create(zone, files.tables, OwnerClients(settings))
        yield State(tmp_path), settings


def commit(s3, sequence):
    """Commit a batch of each zone."""
    batch_id = objects.batch_id(TIME, str(sequence))
    path = objects.table_path("payment", batch_id)
    files = objects.write_tables(s3, "ingested", path, {"": ROWS})
    size = sum(file.bytes for file in files)
    table = IngestedTable(path, 2, 0, size, None, None, "", files=files)
    snapshot = Snapshot(1, 1, 1, 1, 1, (), TIME)
    run = ("jr_1", "v1", TIME)
    CommitLog("ingested", IngestedBatch).commit(
        IngestedBatch(sequence, batch_id, False, snapshot, {"payment": table}, *run, alive={})
    )
    path = objects.table_path("fact_payment", batch_id)
    files = objects.write_tables(s3, "processed", path, {"month=2024-11/": ROWS})
    table = ProcessedTable(path, 2, size, ("2024-11",), files)
    CommitLog("processed", ProcessedBatch).commit(
        ProcessedBatch(sequence, batch_id, sequence, sequence, TIME, {"fact_payment": table}, *run)
    )


@pytest.fixture
def screen(monkeypatch):
    """Return a function that returns the lines printed since its last call."""
    console = Screen(width=200, record=True, file=StringIO())
    monkeypatch.setattr(lake_check, "console", console)
    monkeypatch.setattr("ops.cli.screen.console", console)
    return lambda: console.export_text().splitlines()


def files_of(world, bucket, table):
    """Return the data files of a table on disk, the oldest first."""
    return sorted((world[0].lake / bucket / "tables" / table).rglob("*.parquet"))


def damage(world):
    """Run `totelake verify`, which fails; return its findings."""
    printed = []
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(lake_check, "print_json", printed.append)
        with pytest.raises(typer.Exit, match="1"):
            lake_check.verify(*world, read=False, as_json=True)
    [report] = printed
    assert report["faults"] == len(report["findings"]) == len(json.loads(json.dumps(report))["findings"])
    return report["findings"]


def execute(explanation):
    """Execute the commands of the AWS CLI in an explanation with boto3."""
    s3, body = boto3.client("s3"), b""
    for command in explanation.partition("Restore it: ")[2].split(" && "):
        program, service, operation, *words = shlex.split(command)
        assert (program, service) == ("aws", "s3api")
        arguments = {}
        for position, word in enumerate(words):
            if word.startswith("--"):
                name = "".join(part.capitalize() for part in word.removeprefix("--").split("-"))
                arguments[name] = words[position + 1]
        if "Metadata" in arguments:
            arguments["Metadata"] = dict([arguments["Metadata"].split("=")])
        if "Body" in arguments:
            assert arguments["Body"] == "record.json"
            arguments["Body"] = body
        result = getattr(s3, operation.replace("-", "_"))(**arguments)
        body = result["Body"].read() if operation == "get-object" else body


def test_a_lake_in_good_order_has_no_faults(world, screen):
    """The report says what was checked."""
    lake_check.verify(*world, read=True, as_json=False)

    *_, checked, result = screen()
    assert checked == "Checked: 18 records, 2 checkpoints, 18 files, 18 partitions, 36 rows."
    assert result == "No faults."


def test_faults_are_printed_by_kind_with_status_1(world, screen):
    """Each with its address and what to do about it."""
    first, second, *_ = files_of(world, "ingested", "payment")
    for path in (first, second):
        path.unlink()
    (first.parents[1] / "batch_id=killed").mkdir()
    (first.parents[1] / "batch_id=killed/part-1.parquet").write_bytes(b"1")

    with pytest.raises(typer.Exit) as ended:
        lake_check.verify(*world, read=False, as_json=False)

    assert ended.value.exit_code == 1
    lines = screen()
    assert "File missing (2)" in lines
    assert f"  s3://ingested/{first.relative_to(world[0].lake / 'ingested')}" in lines
    assert "Orphan (1, for information)" in lines
    assert lines[-1] == "2 faults, 1 for information."


@pytest.mark.parametrize("alter", ["delete", "overwrite"])
def test_the_command_of_a_data_file_restores_its_version(world, alter):
    """The copy is accepted, also with another ETag."""
    s3 = boto3.client("s3")
    key = str(files_of(world, "ingested", "payment")[3].relative_to(world[0].lake / "ingested"))
    before = s3.get_object(Bucket="ingested", Key=key)["Body"].read()
    if alter == "delete":
        s3.delete_object(Bucket="ingested", Key=key)
    else:
        s3.put_object(Bucket="ingested", Key=key, Body=before[:-1] + b"?")

    [finding] = damage(world)
    assert finding["kind"] == {"delete": "file_missing", "overwrite": "file_altered"}[alter]
    assert finding["number"] == 4
    execute(finding["explanation"])

    assert s3.get_object(Bucket="ingested", Key=key)["Body"].read() == before
    lake_check.verify(*world, read=True, as_json=True)


@pytest.mark.parametrize("key", ["log/00000002.json", f"log/0000000{BATCHES}.json", "checkpoints/0000/00000001.json"])
@pytest.mark.parametrize("alter", ["delete", "overwrite"])
def test_the_commands_of_a_record_restore_its_version(world, key, alter):
    """Also of the last one, whose deletion leaves a delete marker."""
    s3 = boto3.client("s3")
    before = s3.get_object(Bucket="processed", Key=key)["Body"].read()
    if alter == "delete":
        s3.delete_object(Bucket="processed", Key=key)
        if key.startswith("checkpoints"):  # nothing refers to the only checkpoint
            lake_check.verify(*world, read=False, as_json=True)
            return
    else:
        s3.put_object(Bucket="processed", Key=key, Body=b"{")

    [finding] = damage(world)
    assert finding["url"] == f"s3://processed/{key}"
    execute(finding["explanation"])

    assert s3.get_object(Bucket="processed", Key=key)["Body"].read() == before
    lake_check.verify(*world, read=False, as_json=True)


def test_a_copy_with_another_etag_is_accepted_by_its_metadata(world):
    """With SSE-KMS the ETag of a copy is another one, and neither is the MD5 of the content."""
    s3 = boto3.client("s3")
    path = files_of(world, "ingested", "payment")[3]
    key = str(path.relative_to(world[0].lake / "ingested"))
    etag = s3.head_object(Bucket="ingested", Key=key)["ETag"].strip('"')
    other = path.read_bytes()[:-1] + b"?"

    s3.put_object(Bucket="ingested", Key=key, Body=other, Metadata={"restored-etag": etag})
    lake_check.verify(*world, read=False, as_json=True)

    s3.put_object(Bucket="ingested", Key=key, Body=other, Metadata={"restored-etag": "other"})
    assert [finding["kind"] for finding in damage(world)] == ["file_altered"]

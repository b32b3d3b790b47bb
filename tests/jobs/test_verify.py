"""The check of the lake: on a lake in good order it finds nothing, and of each damage exactly the damaged file."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import boto3
import psycopg
import pyarrow as pa
import pytest
from pyarrow import parquet

from tests.lakes import job_run
from totelake import compact
from totelake.compact import plan
from totelake.lake import checkpoints, commit_log
from totelake.lake.batches import IngestedBatch, ProcessedBatch
from totelake.lake.commit_log import CommitLog
from totelake.lake.zones import INGESTED, PROCESSED
from totelake.runtime.errors import VerifyError
from totelake.verify import stage
from totelake.verify.check import LakeCheck
from totelake.verify.findings import Kind

BATCHES = 5
"""With a checkpoint after each second one: one batch is after the last checkpoint."""


@pytest.fixture(scope="module")
def uncompacted(shared_lake, shared_totesys, shared_reader):
    """Return a lake of `BATCHES` batches, the last with a row in quarantine."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(commit_log, "INTERVAL", 2)
        for number in range(BATCHES):
            with psycopg.connect(shared_totesys) as connection:
                date = "2024-02-30" if number == BATCHES - 1 else "2024-02-28"
                connection.execute(f"UPDATE sales_order SET agreed_payment_date = '{date}' WHERE sales_order_id = 7")
                connection.execute("UPDATE payment SET paid = NOT paid WHERE payment_id = 5")
            shared_lake.ingest(shared_reader)
            shared_lake.transform()
    return shared_lake


@pytest.fixture(scope="module")
def compacted(uncompacted):
    """Return the lake after a compaction of all batches but the last."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(plan, "RATIO", 1_000)
        compact.run(job_run(), uncompacted.ingested, uncompacted.processed)
    return uncompacted


@pytest.fixture(scope="module", params=["before", "after"])
def lake(request, uncompacted):
    """Return the lake before a compaction, and then after it: pytest runs all tests with the one, then the other."""
    return request.getfixturevalue("compacted") if request.param == "after" else uncompacted


def report(lake, *, read=False, hours=2):
    """Return the report of the check, some hours from now."""
    now = datetime.now(UTC) + timedelta(hours=hours)
    return LakeCheck(lake.ingested, lake.processed, boto3, read=read, now=now).report()


def found(lake, *, read=False, hours=2):
    """Return kind, key, number and whether it is a fault of each finding."""
    return [
        (finding.kind, finding.url.split("/", 3)[3], finding.number, finding.is_fault)
        for finding in report(lake, read=read, hours=hours).findings
    ]


@contextmanager
def replaced(lake, bucket: str, key: str, body: bytes | None) -> Iterator[None]:
    """Replace the object on disk, or remove it, in the block."""
    path = lake.folder / bucket / key
    kept = lake.folder.parent / "kept"
    path.rename(kept)
    try:
        if body is not None:
            path.write_bytes(body)
        yield
    finally:
        path.unlink(missing_ok=True)
        path.parent.mkdir(parents=True, exist_ok=True)
        kept.rename(path)


def content(lake, bucket, key):
    """Return the content of an object."""
    return (lake.folder / bucket / key).read_bytes()


def newest_set(lake, table="fact_payment"):
    """Return the last live file set of a star table before the newest batch: a compacted one after a compaction."""
    return lake.processed_files(table)[-2]


def newest_checkpoint(lake):
    """Return the number of the newest checkpoint of the processed zone."""
    return CommitLog(lake.processed, ProcessedBatch).checkpoint.number


def test_nothing_is_found_in_a_lake_in_good_order(lake):
    """Also when all files are read, whose rows are counted."""
    result = report(lake, read=True)

    assert result.findings == []
    rows = sum(files.rows for of in live(lake) for sets in of.tables.values() for files in sets)
    assert result.checked["rows"] == rows
    assert result.checked["records"] == 2 * BATCHES
    assert result.checked["checkpoints"] == (6 if newest_set(lake).compacted else 4)


def live(lake):
    """Return the live files of both zones."""
    return (
        CommitLog(lake.ingested, IngestedBatch).live_files(),
        CommitLog(lake.processed, ProcessedBatch).live_files(),
    )


def test_a_missing_file_is_found(lake):
    """The instruction is to build the zone again, since the bucket has no versions."""
    files = newest_set(lake)
    key = files.path + files.files[0].name

    with replaced(lake, lake.processed, key, None):
        [finding] = report(lake).findings

    assert (finding.kind, finding.url) == (Kind.FILE_MISSING, f"s3://{lake.processed}/{key}")
    assert (finding.zone, finding.table, finding.number) == ("processed", "fact_payment", files.last)
    assert ("are intact" if files.compacted else "totelake rebuild processed") in finding.explanation


def test_a_truncated_file_is_found(lake):
    """By its size."""
    files = lake.ingested_files("payment")[0]
    key = files.path + files.files[0].name

    with replaced(lake, lake.ingested, key, content(lake, lake.ingested, key)[:-1]):
        assert found(lake) == [(Kind.FILE_SIZE, key, files.last, True)]


def test_an_altered_file_of_the_same_size_is_found(lake):
    """By its ETag."""
    files = newest_set(lake)
    key = files.path + files.files[0].name
    body = bytearray(content(lake, lake.processed, key))
    body[len(body) // 2] ^= 1

    with replaced(lake, lake.processed, key, bytes(body)):
        assert found(lake) == [(Kind.FILE_ALTERED, key, files.last, True)]


def test_a_copy_of_a_file_is_not_an_altered_one(lake):
    """Its content is what was written, whatever its ETag is."""
    files = newest_set(lake)
    key = files.path + files.files[0].name

    with replaced(lake, lake.processed, key, content(lake, lake.processed, key)):
        assert found(lake) == []


@pytest.mark.parametrize(
    ("zone", "sequence"), [("processed", 1), ("ingested", 3), ("ingested", BATCHES), ("processed", BATCHES)]
)
def test_a_missing_record_is_found(lake, zone, sequence):
    """Also the last one: of the ingested zone, since a processed batch covers it."""
    key, bucket = f"log/{sequence:08d}.json", getattr(lake, zone)

    with replaced(lake, bucket, key, None):
        findings = found(lake)

    # A compaction writes a checkpoint after the last record.
    is_in_checkpoint = newest_set(lake).compacted
    if (zone, sequence) == (
        "processed",
        BATCHES,
    ) and not is_in_checkpoint:
        # Without versions there is no trace of the record but its files.
        assert {kind for kind, *_ in findings} == {Kind.ORPHAN, Kind.PARTITION_SUPERFLUOUS}
    else:
        assert findings == [(Kind.RECORD_MISSING, key, sequence, True)]


@pytest.mark.parametrize(
    ("sequence", "body"),
    [(3, b"{"), (3, b"[]"), (BATCHES, b"{}"), (BATCHES, b'{"tables": 1, "snapshot": 2, "held": 3, "replayed": 4}')],
)
def test_an_unreadable_record_is_found(lake, sequence, body):
    """Whether it is not JSON or another object."""
    key = f"log/{sequence:08d}.json"

    with replaced(lake, lake.processed, key, body):
        assert found(lake) == [(Kind.RECORD_UNREADABLE, key, sequence, True)]


def test_a_record_in_the_place_of_another_is_found(lake):
    """Its number is part of the record."""
    key = "log/00000003.json"

    with replaced(lake, lake.ingested, key, content(lake, lake.ingested, "log/00000002.json")):
        assert found(lake) == [(Kind.RECORD_UNREADABLE, key, 3, True)]


def test_an_object_that_is_no_record_is_found(lake):
    """The stages stop when the log has other names."""
    path = lake.folder / lake.ingested / "log/00000002.json.bak"
    path.write_bytes(b"")
    try:
        assert found(lake) == [(Kind.NOT_A_RECORD, "log/00000002.json.bak", None, True)]
    finally:
        path.unlink()


def test_an_unreadable_checkpoint_is_found(lake):
    """As a fault if readers would use it."""
    number = newest_checkpoint(lake)

    with replaced(lake, lake.processed, checkpoints.key(number), b"{"):
        assert found(lake) == [(Kind.CHECKPOINT_UNREADABLE, checkpoints.key(number), number, True)]


def altered_checkpoint(lake, alter):
    """Return the newest checkpoint of the processed zone with the file sets of `fact_payment` altered, as JSON."""
    record = json.loads(content(lake, lake.processed, checkpoints.key(newest_checkpoint(lake))))
    alter(record["files"]["tables"]["fact_payment"])
    return json.dumps(record).encode()


@pytest.mark.parametrize(
    "alter",
    [
        lambda sets: sets.pop(),
        lambda sets: sets.append(sets[0]),
        lambda sets: sets[-1].update(rows=1_000),
        lambda sets: sets[-1].update(path="tables/fact_payment/batch_id=other/"),
        lambda sets: sets[0].update(first=2),
    ],
)
def test_a_checkpoint_with_other_files_is_found(lake, alter):
    """It is derived again from the checkpoint before and the records."""
    key, number = checkpoints.key(newest_checkpoint(lake)), newest_checkpoint(lake)

    with replaced(lake, lake.processed, key, altered_checkpoint(lake, alter)):
        assert found(lake) == [(Kind.CHECKPOINT_WRONG, key, number, True)]


@contextmanager
def removed(lake, bucket, key):
    """Remove another object in the block."""
    path = lake.folder / bucket / key
    body = path.read_bytes()
    path.unlink()
    try:
        yield
    finally:
        path.write_bytes(body)


def test_a_missing_partition_is_found(lake):
    """And registered by a compaction."""
    files = newest_set(lake)
    batch, month = files.path.split("=")[1].rstrip("/"), files.months[0]
    boto3.client("glue").delete_partition(
        DatabaseName=PROCESSED.database, TableName="fact_payment", PartitionValues=[batch, month]
    )

    expected = [(Kind.PARTITION_MISSING, f"{files.path}month={month}/", files.last, True)]
    assert found(lake) == expected
    assert found(lake, hours=0) == [(*expected[0][:3], False)]  # the run may still be registering it
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(plan, "RATIO", 0)  # nothing is merged
        compact.run(job_run(), lake.ingested, lake.processed)
    assert found(lake) == []


@pytest.mark.parametrize("zone", [INGESTED, PROCESSED])
def test_a_superfluous_partition_is_found(lake, zone):
    """Queries on the table would count its rows twice."""
    glue, name = boto3.client("glue"), "payment" if zone is INGESTED else "dim_staff"
    partition = {"Values": ["20200101"], "StorageDescriptor": {}}
    glue.create_partition(DatabaseName=zone.database, TableName=name, PartitionInput=partition)
    try:
        assert found(lake) == [(Kind.PARTITION_SUPERFLUOUS, f"tables/{name}/batch_id=20200101/", None, True)]
    finally:
        glue.delete_partition(DatabaseName=zone.database, TableName=name, PartitionValues=["20200101"])


def test_an_orphan_is_information(lake):
    """Several files of a batch that was not committed are one finding."""
    folder = lake.folder / lake.processed / "tables/dim_staff/batch_id=20240101-killed"
    folder.mkdir()
    try:
        (folder / "part-1.parquet").write_bytes(b"1")
        key = "tables/dim_staff/batch_id=20240101-killed/"
        assert found(lake) == [(Kind.ORPHAN, f"{key}part-1.parquet", None, False)]
        (folder / "part-2.parquet").write_bytes(b"12")
        assert found(lake) == [(Kind.ORPHAN, key, None, False)]
        [finding] = report(lake).findings
        assert "(2, 3 bytes)" in finding.explanation
        assert "killed" in finding.explanation
        [finding] = report(lake, hours=0).findings
        assert "running job" in finding.explanation
    finally:
        for path in folder.iterdir():
            path.unlink()
        folder.rmdir()


def test_a_file_added_to_a_committed_folder_is_a_fault(lake):
    """Unlike a hidden one, it is read by queries."""
    files = newest_set(lake)
    folder = lake.folder / lake.processed / files.path
    for name, expected in (
        ("part-9.parquet", (Kind.FILE_ADDED, f"{files.path}part-9.parquet", files.last, True)),
        ("_SUCCESS", (Kind.ORPHAN, f"{files.path}_SUCCESS", None, False)),
    ):
        (folder / name).write_bytes(b"")
        try:
            assert found(lake) == [expected]
        finally:
            (folder / name).unlink()


def test_missing_quarantine_is_found(lake):
    """The complete quarantine is in the files of the last record."""
    [held] = lake.processed_batches()[-1].held.values()
    [path] = (lake.folder / lake.processed / held.path).glob("*.parquet")
    key = str(path.relative_to(lake.folder / lake.processed))

    with replaced(lake, lake.processed, key, None):
        assert found(lake) == [(Kind.FILE_MISSING, held.path, BATCHES, True)]
    with replaced(lake, lake.processed, key, b"PAR1"):
        assert found(lake, read=True) == [(Kind.FILE_UNREADABLE, held.path, BATCHES, True)]


def test_reading_finds_a_file_without_its_rows(lake, monkeypatch):
    """A record that states another number, or a file whose content S3 returns wrongly."""
    files = newest_set(lake)
    key = files.path + files.files[0].name
    rows = parquet.read_table(pa.BufferReader(content(lake, lake.processed, key)))
    fewer = pa.BufferOutputStream()
    parquet.write_table(rows.slice(1), fewer)
    monkeypatch.setattr("totelake.verify.files.TableFiles._damages", lambda *_: ())
    monkeypatch.setattr("totelake.verify.contents._is_md5", lambda *_: False)

    with replaced(lake, lake.processed, key, fewer.getvalue().to_pybytes()):
        assert found(lake, read=True) == [(Kind.ROWS_DIFFER, key, files.last, True)]
    with replaced(lake, lake.processed, key, b"PAR1 and no footer"):
        assert found(lake, read=True) == [(Kind.FILE_UNREADABLE, key, files.last, True)]
    monkeypatch.undo()
    monkeypatch.setattr("totelake.verify.files.TableFiles._damages", lambda *_: ())
    if files.compacted:  # written by the driver, with the MD5 as the ETag
        with replaced(lake, lake.processed, key, fewer.getvalue().to_pybytes()):
            assert found(lake, read=True) == [(Kind.FILE_UNREADABLE, key, files.last, True)]


def test_the_job_fails_and_logs_each_finding(lake, capsys):
    """With the metric of the faults, and 0 without any."""
    files = newest_set(lake)
    key = files.path + files.files[0].name

    stage.run(job_run(), lake.ingested, lake.processed)
    with (
        replaced(lake, lake.processed, key, None),
        pytest.raises(VerifyError, match=f"The lake has 1 faults. s3://{lake.processed}/{key}: "),
    ):
        stage.run(job_run(read="true"), lake.ingested, lake.processed)

    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith("{")]
    [logged] = [line for line in lines if line["event"] == "finding"]
    assert (logged["status"], logged["kind"], logged["table"]) == ("fault", "file_missing", "fact_payment")
    values = boto3.client("cloudwatch").get_metric_statistics(
        Namespace="Totelake",
        MetricName="LakeFaults",
        StartTime=datetime.now(UTC) - timedelta(hours=1),
        EndTime=datetime.now(UTC) + timedelta(hours=1),
        Period=7200,
        Statistics=["Sum", "SampleCount"],
    )["Datapoints"]
    [total] = values  # of both lakes
    assert (total["Sum"], total["SampleCount"]) in {(1, 2), (2, 4)}


def test_a_file_that_a_compaction_replaced_is_checked(compacted):
    """No reader needs it, and the report names the one that has its rows."""
    files = compacted.processed_batches()[3].tables["fact_payment"].file_set(4)
    key = files.path + files.files[0].name

    with replaced(compacted, compacted.processed, key, None):
        [finding] = report(compacted).findings

    assert (finding.kind, finding.url, finding.number) == (Kind.FILE_MISSING, f"s3://{compacted.processed}/{key}", 4)
    assert newest_set(compacted).path in finding.explanation


def test_an_unreadable_checkpoint_that_no_reader_uses_is_information(compacted):
    """The checkpoint after it is compared with the records."""
    with replaced(compacted, compacted.processed, checkpoints.key(1), b"{"):
        assert found(compacted) == [(Kind.CHECKPOINT_UNREADABLE, checkpoints.key(1), 1, False)]
    with replaced(compacted, compacted.processed, checkpoints.key(1), None):
        assert found(compacted) == [(Kind.CHECKPOINT_MISSING, checkpoints.key(1), 1, False)]


def test_a_checkpoint_with_other_files_is_found_without_the_one_before(compacted):
    """From the records alone."""
    key, number = checkpoints.key(newest_checkpoint(compacted)), newest_checkpoint(compacted)
    wrong = altered_checkpoint(compacted, lambda sets: sets[0].update(rows=sets[0]["rows"] + 1))

    with (
        replaced(compacted, compacted.processed, key, wrong),
        removed(compacted, compacted.processed, checkpoints.key(number - 1)),
    ):
        assert (Kind.CHECKPOINT_WRONG, key, number, True) in found(compacted)


def test_a_partition_of_replaced_files_is_found(compacted):
    """A compaction that is just being committed has not removed it yet."""
    files = compacted.processed_batches()[3].tables["fact_payment"].file_set(4)
    glue, batch = boto3.client("glue"), files.path.split("=")[1].rstrip("/")
    values = [batch, files.months[0]]
    where = {"DatabaseName": PROCESSED.database, "TableName": "fact_payment"}
    glue.create_partition(**where, PartitionInput={"Values": values, "StorageDescriptor": {}})
    try:
        key = f"{files.path}month={files.months[0]}/"
        assert found(compacted) == [(Kind.PARTITION_SUPERFLUOUS, key, 4, True)]
        assert found(compacted, hours=0) == [(Kind.PARTITION_SUPERFLUOUS, key, 4, False)]
    finally:
        glue.delete_partition(**where, PartitionValues=values)

"""Spark jobs on the local Glue: access to the lake by s3://, settings, and runs in a warm spare JVM."""

import io
import json
import os
import shlex
import shutil
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pyarrow.parquet as pq
import pytest
from pyspark.java_gateway import launch_gateway

from local_aws import spark
from local_aws.errors import SparkSetupError
from local_aws.glue.drivers import warm_jvm
from local_aws.glue.drivers.warm import Spare
from local_aws.spark import archive as class_archive
from local_aws.spark import installation, jdbc, jvm_state
from local_aws.spark.jvm_state import JvmState
from local_aws.state import State
from tests import roles

SCRIPT = """
import json, os, sys
import parcel
from pyspark.sql import SparkSession

bucket, folder = (sys.argv[sys.argv.index(name) + 1] for name in ("--bucket", "--folder"))
session = SparkSession.builder.getOrCreate()
put = session.read.json(f"s3://{bucket}/put/rows.json")
put.selectExpr("id", "id % 2 AS half").write.partitionBy("half").parquet(f"s3a://{bucket}/{folder}/batch_id=1")
back = session.read.parquet(f"s3://{bucket}/{folder}/batch_id=1")
own = "spark.hadoop.fs.s3a.test.mine"
settings = ("spark.sql.session.timeZone", "spark.sql.ansi.enabled", own, "spark.app.name")
print(json.dumps({
    "ids": sorted(row.id for row in back.collect()),
    "settings": [session.conf.get(name) for name in settings],
    "in_a_worker": session.sparkContext.parallelize([1], 1).map(parcel.word).collect(),
    "folder": os.getcwd(),
    "session": os.getsid(0),
}))
"""


def package(**modules: str) -> bytes:
    """Return the zip of a package with these modules."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        for name, code in modules.items():
            file.writestr(f"{name}.py", code)
    return archive.getvalue()


PARCEL = package(parcel="def word(_): return 'from the zip'")


@pytest.fixture(scope="module")
def job(world: Any) -> str:
    """Create a Spark job that reads JSON, writes Parquet, and uses its package in Python workers."""
    world.put("put/rows.json", "".join(json.dumps({"id": number}) + "\n" for number in range(4)))
    arguments = {
        "--bucket": world.bucket,
        "--extra-py-files": world.put("lib/parcel.zip", PARCEL),
        "--conf": "spark.hadoop.fs.s3a.test.mine=yes --conf spark.hadoop.fs.s3a.endpoint.region=eu-west-2",
    }
    return str(world.job("spark", SCRIPT, kind="glueetl", DefaultArguments=arguments))


def outcome(world: Any, job: str, folder: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Run the job with `folder` as its target; return the run and its printed result."""
    run_id = world.start(job, Arguments={"--folder": folder})
    run = world.ended(job, run_id, seconds=180)
    assert run["JobRunState"] == "SUCCEEDED", "\n".join(world.output(run_id, "error"))
    return run, json.loads(world.output(run_id)[-1])


def check(world: Any, run: dict[str, Any], result: dict[str, Any], folder: str) -> None:
    """Assert the job's result and the objects that it wrote to S3."""
    assert result["ids"] == [0, 1, 2, 3]
    assert result["settings"] == ["UTC", "true", "yes", "spark"]
    assert result["in_a_worker"] == ["from the zip"]
    assert result["folder"] == str(world.aws.state.jobs / run["Id"])
    listed = world.s3.list_objects_v2(Bucket=world.bucket, Prefix=folder)["Contents"]
    keys = [item["Key"] for item in listed if not item["Key"].endswith("/")]
    assert all(key.endswith(".parquet") for key in keys)
    assert {key.split("/")[2] for key in keys} == {"half=0", "half=1"}
    body = world.s3.get_object(Bucket=world.bucket, Key=keys[0])["Body"].read()
    assert pq.read_table(io.BytesIO(body)).column_names == ["id"]
    assert not (world.aws.state.jobs / run["Id"] / "tmp").exists()


def test_spark_job_reads_and_writes_the_lake(world: Any, job: str):
    """PutObject and Spark see the same objects, and Spark's internal files are not listed."""
    run, result = outcome(world, job, "cold")
    check(world, run, result, "cold")


@pytest.fixture
def spare(world: Any) -> Iterator[Spare]:
    """Give the local Glue a warm spare for one test, and deploy code that may share it."""
    world.deployed(SCRIPT, PARCEL, LEFT, ACCESS, SESSION, "print('fine')")
    service = world.aws.glue
    started = Spare(service.world)
    service.executor.spare = started
    started.prepare()
    yield started
    service.executor.spare = None
    started.close()


def test_runs_in_the_warm_spare_have_their_own_settings_package_folder_and_log(world: Any, job: str, spare: Spare):
    """Also the second run; after it the spare is still available."""
    waiting = spare.process_id
    for folder in ("warm", "warmer"):
        run, result = outcome(world, job, folder)
        assert result["session"] == waiting
        check(world, run, result, folder)
        assert len(world.output(run["Id"])) == 1
        assert spare.process_id == waiting
    assert [folder.name for folder in world.aws.state.jobs.glob("spare-*")] == [f"spare-{os.getpid()}-1"]


OWN_BOTO3 = "import boto3, botocore; print(boto3.ORIGIN, botocore.__name__)"


def test_package_of_a_job_takes_precedence_over_one_that_the_warm_spare_has_imported(world: Any, spare: Spare):
    """A job may bring another version of boto3, which the waiting driver has imported."""
    own = package(boto3="ORIGIN = 'the zip'")
    world.deployed(OWN_BOTO3, own)
    library = world.put("lib/own_boto3.zip", own)
    name = world.job("own-boto3", OWN_BOTO3, kind="glueetl", DefaultArguments={"--extra-py-files": library})
    waiting, run_id = spare.process_id, world.start("own-boto3")
    assert world.ended(name, run_id, seconds=60)["JobRunState"] == "SUCCEEDED", world.output(run_id, "error")
    assert (world.output(run_id), spare.process_id) == (["the zip botocore"], waiting)


NUMPY = """
import sys
import numpy
from pyspark.sql import SparkSession

session = SparkSession.builder.getOrCreate()
print(session.range(numpy.int64(3)).count(), session._jvm.java.util.Arrays.toString(numpy.array([1.5, 2.5])))
print("pandas" in sys.modules)
"""


@pytest.mark.usefixtures("spare")
def test_values_of_numpy_reach_the_jvm_of_the_warm_spare(world: Any):
    """As scalars and vectors, without an import of PySpark's testing tools and of pandas."""
    name = world.job("numpy", NUMPY, kind="glueetl")
    run_id = world.start(name)
    assert world.ended(name, run_id, seconds=60)["JobRunState"] == "SUCCEEDED", world.output(run_id, "error")
    assert world.output(run_id) == ["3 [1.5, 2.5]", "False"]


SESSION = "import os; print(os.getsid(0))"
LEFT = """
import subprocess, sys
from pyspark.sql import SparkSession

java = SparkSession.builder.getOrCreate()._jvm
properties = java.java.lang.System.getProperties()
print(sorted(name for name in properties if name.startswith("spark.hadoop.fs.s3a.test.")))
print(SparkSession.active().catalog.listTables())
print("a\\0b", end="")
sys.stderr.write("the last line")
SparkSession.active().range(1).createGlobalTempView("left")
SparkSession.active().range(1).createTempView("left_too")
SparkSession.active().range(1).write.saveAsTable("saved")
SparkSession.active().range(1).write.parquet("beside")
subprocess.Popen(["sleep", "61234"])
"""


def test_run_leaves_no_state_in_the_warm_jvm(world: Any, job: str, spare: Spare):
    """No settings, tables, files or processes; the last line of output is complete without a line break too."""
    waiting = spare.process_id
    outcome(world, job, "before")
    name = world.job("left", LEFT, kind="glueetl", DefaultArguments={"--conf": "spark.hadoop.fs.s3a.test.other=1"})
    for _ in range(2):
        run_id = world.start(name)
        assert world.ended(name, run_id, seconds=60)["JobRunState"] == "SUCCEEDED", world.output(run_id, "error")
        assert world.output(run_id) == ["['spark.hadoop.fs.s3a.test.other']", "[]", "a\0b"]
        assert world.output(run_id, "error")[-1] == "the last line"
        assert not [
            process for process in psutil.process_iter(["cmdline"]) if "61234" in (process.info["cmdline"] or ())
        ]
        assert spare.process_id == waiting


def failing_script(ending: str) -> str:
    """Return a script that starts Spark and fails."""
    return f"import os, sys; from pyspark.sql import SparkSession; SparkSession.builder.getOrCreate(); {ending}"


def run_failing_script(world: Any, ending: str, message: str) -> None:
    """Run a script of the deployment that fails, and assert how its run ends."""
    script = failing_script(ending)
    world.deployed(script, SESSION)
    name = world.job(f"wrong-{time.monotonic_ns()}", script, kind="glueetl")
    run = world.ended(name, world.start(name), seconds=60)
    assert (run["JobRunState"], run["ErrorMessage"]) == ("FAILED", message)


@pytest.mark.parametrize(
    ("ending", "message"),
    [
        ("raise ValueError('so')", "ValueError: so"),
        ("sys.exit(3)", "SystemExit: 3"),
        ("os._exit(4)", "Command failed with exit code 4"),
    ],
)
def test_failed_run_leaves_the_warm_jvm_to_the_next(world: Any, spare: Spare, ending: str, message: str):
    """Its context is stopped, and the next run makes one of its own."""
    waiting = spare.process_id
    run_failing_script(world, ending, message)
    assert spare.process_id == waiting
    name = world.job(f"after-{time.monotonic_ns()}", SESSION, kind="glueetl")
    run_id = world.start(name)
    assert world.ended(name, run_id, seconds=60)["JobRunState"] == "SUCCEEDED"
    assert world.output(run_id) == [str(waiting)]


@pytest.mark.parametrize(
    ("ending", "message"),
    [
        ("os.kill(os.getpid(), 9)", "Command was ended by signal 9"),
        ("os.kill(os.getpid(), 11)", "Command was ended by signal 11"),
        ("os.kill(os.getppid(), 9); import time; time.sleep(60)", "Command was ended by signal 9"),
    ],
)
def test_killed_run_discards_the_warm_jvm(world: Any, spare: Spare, ending: str, message: str):
    """The run ends as in its own process, and a new spare is started."""
    waiting = spare.process_id
    assert waiting is not None
    processes = [psutil.Process(waiting), *psutil.Process(waiting).children(recursive=True)]
    run_failing_script(world, ending, message)
    assert spare.process_id not in (None, waiting)
    world.wait(lambda: [process for process in processes if process.is_running()], lambda running: not running)
    assert len(list(world.aws.state.jobs.glob("spare-*"))) == 1


def test_stopped_run_discards_the_warm_jvm(world: Any, spare: Spare):
    """A new spare is started."""
    waiting = spare.process_id
    name = world.job("stopped", "import time; print('on', flush=True); time.sleep(60)", kind="glueetl")
    run_id = world.start(name)
    world.in_state(name, run_id, "RUNNING")  # before, it may have no log stream
    world.wait(lambda: world.output(run_id), lambda lines: lines == ["on"])
    world.glue.batch_stop_job_run(JobName=name, JobRunIds=[run_id])
    assert world.ended(name, run_id)["JobRunState"] == "STOPPED"
    assert spare.process_id not in (None, waiting)


def test_warm_jvm_is_replaced_after_its_maximum_number_of_runs(world: Any, spare: Spare):
    """The last run succeeds, and a new spare is started."""
    service = world.aws.glue
    service.executor.spare = Spare(service.world, most_runs=1)
    service.executor.spare.prepare()
    waiting = service.executor.spare.process_id
    name = world.job("last", "print('fine')", kind="glueetl")
    run_id = world.start(name)
    assert world.ended(name, run_id, seconds=60)["JobRunState"] == "SUCCEEDED"
    assert world.output(run_id) == ["fine"]
    assert service.executor.spare.process_id not in (None, waiting)
    service.executor.spare.close()


def test_py4j_finalizer_thread_is_not_counted_as_left_by_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Py4J starts it within a second of the first object; counted, it would discard the JVM after a short run."""
    options = {"spark.driver.extraJavaOptions": shlex.join(jvm_state.JAVA_OPTIONS)}
    for name, value in spark.environment(State(tmp_path), conf=options).items():
        monkeypatch.setenv(name, value)
    gateway = launch_gateway()
    try:
        warm_jvm.connect_finalizer(gateway)
        state = JvmState(gateway.jvm)
        time.sleep(1.5)
        assert state.differences() == []
    finally:
        gateway.shutdown()
        gateway.proc.stdin.close()
        gateway.proc.wait(30)


@pytest.mark.parametrize("victim", ["parent", "java", "python"])
def test_job_runs_in_its_own_process_when_a_process_of_the_spare_is_dead(world: Any, spare: Spare, victim: str):
    """And another spare is started."""
    assert spare.process_id is not None
    first = psutil.Process(spare.process_id)
    children = world.wait(first.children, lambda found: len(found) == 2)
    java, python = (next(c for c in children if (c.name() == "java") is is_java) for is_java in (True, False))
    chosen = {"parent": first, "java": java, "python": python}[victim]
    chosen.kill()
    world.wait(first.status, lambda status: status == psutil.STATUS_ZOMBIE)
    name = world.job(f"unspared-{chosen.pid}", SESSION, kind="glueetl")
    run_id = world.start(name)
    assert world.ended(name, run_id)["JobRunState"] == "SUCCEEDED"
    assert world.output(run_id) != [str(first.pid)]
    assert spare.process_id not in (None, first.pid)


def test_job_runs_in_its_own_process_when_the_spare_dies_before_it_starts_the_job(world: Any, spare: Spare):
    """A spare that has read its job but has not confirmed it, as while it is being killed, has not started it."""
    assert spare.process_id is not None
    first = psutil.Process(spare.process_id)
    first.suspend()
    name = world.job("untaken", SESSION, kind="glueetl")
    run_id = world.start(name)
    world.wait(lambda: spare.process_id, lambda waiting: waiting is None)
    time.sleep(0.5)  # to write a line to a pipe
    first.kill()
    assert world.ended(name, run_id)["JobRunState"] == "SUCCEEDED"
    assert world.output(run_id) != [str(first.pid)]


def test_job_with_jvm_settings_runs_in_its_own_process(world: Any, spare: Spare):
    """JVM settings cannot be changed after its start."""
    waiting = spare.process_id
    conf = {"--conf": "spark.driver.extraJavaOptions=-Dmine=1"}
    name = world.job("own-jvm", SESSION, kind="glueetl", DefaultArguments=conf)
    run_id = world.start(name)
    assert world.ended(name, run_id)["JobRunState"] == "SUCCEEDED"
    assert world.output(run_id) != [str(waiting)]
    assert spare.process_id == waiting


ACCESS = """
import json
from pyspark.sql import SparkSession

session = SparkSession.builder.getOrCreate()


def attempt(access):
    try:
        access()
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return "done"


rows = session.range(1)
print(json.dumps({
    "read": attempt(lambda: session.read.json("s3://glue-tests/put/rows.json").collect()),
    "write": attempt(lambda: rows.write.parquet("s3://glue-tests/mine/new/one")),
    "write below": attempt(lambda: rows.write.parquet("s3://glue-tests/kept/new/two")),
    "read elsewhere": attempt(lambda: session.read.json("s3://glue-tests/secret/rows.json").collect()),
    "write elsewhere": attempt(lambda: rows.write.parquet("s3://glue-tests/other/one")),
    "another bucket": attempt(lambda: session.read.json("s3://another-bucket/rows.json").collect()),
    "in a worker": session.sparkContext.parallelize([1], 1).map(lambda _: __import__("os").environ.get(
        "AWS_SESSION_TOKEN", "no token")).collect()[0] == __import__("os").environ["AWS_SESSION_TOKEN"],
}))
"""


def test_spark_can_access_only_the_folders_that_the_role_allows(world: Any, spare: Spare):
    """Allowed folders can be written before they exist; other paths fail with the name of the role."""
    elsewhere = {"read elsewhere": world.bucket, "write elsewhere": world.bucket, "another bucket": "another-bucket"}
    world.s3.create_bucket(Bucket="another-bucket", CreateBucketConfiguration={"LocationConstraint": "eu-west-2"})
    world.s3.put_object(Bucket="another-bucket", Key="rows.json", Body="{}")
    for key in ("put/rows.json", "secret/rows.json"):
        world.put(key, json.dumps({"id": 1}))
    objects = "arn:aws:s3:::glue-tests"
    roles.create(
        world.aws.client("iam"),
        "narrow",
        {"Effect": "Allow", "Action": "s3:GetObject", "Resource": [f"{objects}/put/*", f"{objects}/scripts/*"]},
        {"Effect": "Allow", "Action": ["s3:Get*", "s3:PutObject"], "Resource": [f"{objects}/mine/*/*"]},
        {"Effect": "Allow", "Action": "s3:*", "Resource": [f"{objects}/kept/new/*"]},
    )
    waiting = spare.process_id
    world.job("all", ACCESS, kind="glueetl")
    wide = world.start("all")
    assert world.ended("all", wide, seconds=180)["JobRunState"] == "SUCCEEDED"
    assert json.loads(world.output(wide)[-1])["read elsewhere"] == "done"
    for folder in ("mine", "kept"):
        shutil.rmtree(world.aws.state.lake / world.bucket / folder)
    world.job("held", ACCESS, kind="glueetl", Role="narrow")
    run_id = world.start("held")

    run = world.ended("held", run_id, seconds=180)
    assert run["JobRunState"] == "SUCCEEDED", "\n".join(world.output(run_id, "error"))
    assert spare.process_id == waiting
    result = json.loads(world.output(run_id)[-1])
    assert [result[name] for name in ("read", "write", "write below", "in a worker")] == ["done", "done", "done", True]
    for name, bucket in elsewhere.items():
        assert f"not-permitted-to-narrow://{bucket}/" in result[name], name
    assert (world.aws.state.lake / world.bucket / "mine/new/one").is_dir()


def test_class_archive_is_used_only_with_the_same_java_and_spark(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The sidecar file holds the versions that created it."""
    archive = tmp_path / "spark.jsa"
    monkeypatch.setattr(installation, "ARCHIVE", archive)

    def used() -> bool:
        variables = spark.environment(State(tmp_path / "state"))
        return f"-XX:SharedArchiveFile={archive}" in variables["PYSPARK_SUBMIT_ARGS"]

    archive.touch()
    assert not used()
    sidecar = tmp_path / "spark.jsa.json"
    sidecar.write_text(json.dumps(installation.archive_inputs(installation.JDBC_JAR)))
    assert used()
    sidecar.write_text(json.dumps({**installation.archive_inputs(installation.JDBC_JAR), "pyspark": "another"}))
    assert not used()


def test_every_bucket_is_mounted_whatever_its_name(tmp_path: Path):
    """Each has an entry in the mount table; the caller's settings take precedence."""
    state = State(tmp_path)
    (state.lake / "a-bucket.with-dots").mkdir(parents=True)
    settings = spark.settings(state, {"spark.sql.ansi.enabled": "false"})
    mount = settings["spark.hadoop.fs.viewfs.mounttable.a-bucket.with-dots.linkFallback"]
    assert mount.endswith(f"://{state.lake}/a-bucket.with-dots")
    assert settings["spark.sql.ansi.enabled"] == "false"


def test_spark_accesses_a_lake_whose_path_has_special_characters(tmp_path: Path):
    """A space and a per cent sign, which must be escaped, since a mount is a URI."""
    state = State(tmp_path / "my world 100%")
    (state.lake / "bucket").mkdir(parents=True)
    program = """
from pyspark.sql import SparkSession
spark = SparkSession.builder.getOrCreate()
spark.range(3).write.parquet("s3://bucket/rows")
print(spark.read.parquet("s3://bucket/rows").count())
"""
    variables = spark.environment(state, conf={"spark.driver.extraJavaOptions": "'-Dname=a b'"})
    completed = subprocess.run(
        [sys.executable, "-c", program], check=False, env={**os.environ, **variables}, capture_output=True, text=True
    )
    assert completed.stdout == "3\n", completed.stderr
    assert list((state.lake / "bucket" / "rows").glob("*.parquet"))


@pytest.mark.parametrize("character", [" ", "\t", "\f", "\n", "\r", "\\", "=", ":", "#", "!"])
def test_name_of_a_setting_cannot_set_another(tmp_path: Path, character: str):
    """In a property file, each of these would end a name or a line, or begin a comment, if it were not escaped."""
    spark.environment(State(tmp_path), conf={f"spark.authenticate{character}false": "x"}, mounts={})
    lines = (tmp_path / "tmp/spark.properties").read_text().splitlines()
    escaped = {"\t": "t", "\f": "f", "\n": "n", "\r": "r"}.get(character, character)
    assert [line for line in lines if "authenticate" in line] == [
        "spark.authenticate=true",
        f"spark.authenticate\\{escaped}false=x",
    ]


def test_class_archive_can_be_created_at_a_path_with_a_space(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The option is quoted as one argument."""
    options: list[str] = []

    def run(_: list[str], variables: dict[str, str]) -> subprocess.CompletedProcess[str]:
        submitted = shlex.split(variables["PYSPARK_SUBMIT_ARGS"])
        options.extend(next(word for word in submitted if "extraJavaOptions" in word).partition("=")[2:])
        return subprocess.CompletedProcess([], 1, "nothing was made")

    monkeypatch.setattr(installation, "run_driver", run)
    target = tmp_path / "my clone" / "spark.jsa"
    with pytest.raises(SparkSetupError, match="nothing was made"):
        class_archive.make_archive(tmp_path / "none.jar", target)
    unfinished = target.with_name(f".{target.name}.{os.getpid()}")
    assert f"-XX:ArchiveClassesAtExit={unfinished}" in shlex.split(options[0])


def test_missing_jdbc_driver_error_names_package_target_and_cause(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The message has the Maven package, the path to put it at, and the resolver's output."""
    failed = subprocess.CompletedProcess[str]([], 1, "unresolved dependency: not found")
    monkeypatch.setattr(installation, "run_driver", lambda *_: failed)
    target = tmp_path / "postgresql.jar"
    with pytest.raises(SparkSetupError, match="unresolved dependency") as error:
        jdbc.jdbc_jar(target)
    assert jdbc.JDBC_PACKAGE in str(error.value)
    assert str(target) in str(error.value)
    assert not target.exists()

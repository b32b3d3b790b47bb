"""The three stages on a cluster, whose executors are processes of their own, each in a folder of its own."""

import json
import os
import shlex
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import boto3
import pytest

from local_aws.spark import settings
from local_aws.spark.installation import launch_variables
from local_aws.spark.jdbc import jdbc_jar
from local_aws.state import State
from ops.deploy import build
from tests.jobs.cluster_home import cluster_home
from tests.lakes import job_run
from totelake import reconcile
from totelake.tables import STAR_TABLES
from totelake.warehouse.postgres.load import Postgres

pytestmark = [pytest.mark.spark, pytest.mark.postgres]

# The cluster is started before this process has the package of the jobs in its path, or any variable of AWS.
SCRIPT = """
import json, os, sys
from pathlib import Path
from pyspark.sql import SparkSession

given = json.loads(sys.stdin.read())
spark = SparkSession.builder.getOrCreate()
sys.path[:0] = given["path"]
os.environ.update(given["aws"])

from tests.lakes import empty_lake
from totelake.lake import scan
from totelake.runtime.connections import Login
from totelake.warehouse.postgres import copying

def look(_):  # in the same Python processes that copied the files
    import os, sys
    return os.getcwd(), any(name.startswith("totelake") for name in sys.modules), "AWS_ENDPOINT_URL" in os.environ

reader, warehouse = (Login(**login) for login in given["logins"])
scan.FEW_ROWS = copying.DRIVER_BYTES = 0  # so that the executors read, write and copy the files
with empty_lake(Path(given["buckets"]), spark) as lake:
    lake.ingest(reader)
    rows = lake.transform().rows
    lake.load(warehouse)
executors = spark.sparkContext.parallelize(range(4), 4).map(look).collect()
print(json.dumps({"rows": rows, "executors": executors, "buckets": [lake.ingested, lake.processed]}))
"""


def test_stages_on_executors_in_other_processes_make_the_same_warehouse(
    lake_root: Path, warehouse, reader, tmp_path: Path
) -> None:
    """The executors share no folder and no variable of AWS with the driver, and need no module of the jobs."""
    given = {
        "path": [str(build.ROOT / "glue_jobs"), str(build.ROOT)],
        "aws": {name: value for name, value in os.environ.items() if name.startswith("AWS_")},
        "logins": [asdict(reader), asdict(warehouse)],
        "buckets": str(lake_root),
    }
    ended = subprocess.run(
        [sys.executable, "-P", "-c", SCRIPT],
        cwd=tmp_path,
        env=_environment(lake_root, tmp_path),
        input=json.dumps(given),
        check=False,
        capture_output=True,
        text=True,
    )
    assert ended.returncode == 0, ended.stderr[-4000:]
    result = json.loads(ended.stdout.splitlines()[-1])

    folders = {folder for folder, *_ in result["executors"]}
    assert len(folders) == 2
    assert str(tmp_path) not in folders
    assert {tuple(shared) for _, *shared in result["executors"]} == {(False, False)}
    assert set(result["rows"]) == set(STAR_TABLES)
    databases = reconcile.Databases(reader, Postgres(warehouse))
    reports = reconcile.run(job_run(), databases, *result["buckets"])
    assert {name: report.differences for name, report in reports.items()} == dict.fromkeys(reports, 0)
    assert boto3.client("s3").list_objects_v2(Bucket=result["buckets"][1], Prefix="tables/fact_payment/")["KeyCount"]


def _environment(lake_root: Path, folder: Path) -> dict[str, str]:
    """Return the environment of a driver with two executors, without the variables of this test process."""
    compiler = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"
    conf = settings(State(lake_root.parent), {}) | {
        "spark.driver.extraJavaOptions": compiler,
        "spark.executor.extraJavaOptions": compiler,
        "spark.authenticate": "false",  # only Spark's local mode generates a secret itself
        "spark.executor.memory": "512m",
        "spark.task.maxFailures": "1",
    }
    arguments = ["--master", "local-cluster[2,1,1024]", "--jars", str(jdbc_jar())]
    for name, value in conf.items():
        arguments += ["--conf", f"{name}={value}"]
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        **launch_variables(),
        "PYSPARK_SUBMIT_ARGS": shlex.join([*arguments, "pyspark-shell"]),
        "SPARK_HOME": str(cluster_home(folder)),
        "SPARK_LOCAL_DIRS": str(folder),
        "TMPDIR": str(folder),
    }

"""The environment and the settings of a Spark driver on this machine, whose `s3://` is the lake's folder."""

import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

from local_aws import files
from local_aws.spark import installation
from local_aws.state import State

_VIEW = "org.apache.hadoop.fs.viewfs.ViewFileSystemOverloadScheme"
# Hadoop's `file:` file system writes a .crc file beside every file, and an S3 client would see those as objects. The
# raw one does not; it is mounted under its own scheme because much of Hadoop requires `file:` to be the former.
_PLAIN_SCHEME = "plain"
_SETTINGS = {
    "spark.hadoop.fs.s3.impl": _VIEW,
    "spark.hadoop.fs.s3a.impl": _VIEW,
    f"spark.hadoop.fs.{_PLAIN_SCHEME}.impl": "org.apache.hadoop.fs.RawLocalFileSystem",
    "spark.hadoop.mapreduce.fileoutputcommitter.marksuccessfuljobs": "false",
    # Otherwise the files of a view file system are listed with their locations, which starts an `ls` for each.
    "spark.sql.sources.ignoreDataLocality": "true",
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.ansi.enabled": "true",
    "spark.sql.shuffle.partitions": "4",
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
    # Every user of this machine can reach the driver's ports. Spark generates the secret itself, in memory.
    "spark.authenticate": "true",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.log.level": "WARN",
    # Otherwise PySpark reports the Python line of every column in eight requests, the majority in a small batch.
    "spark.python.sql.dataFrameDebugging.enabled": "false",
}


# Java's C2 compiler takes half of the CPU time of a job of some seconds, and pays off only in one of minutes: raise its
# thresholds tenfold. Measured on two cores: 5.0 instead of 8.1 s of CPU time for a first Parquet file, 20.6 instead of
# 23.9 s for a join of six million rows.
_LATE_OPTIMISATION = [
    "-XX:Tier4InvocationThreshold=50000",
    "-XX:Tier4MinInvocationThreshold=6000",
    "-XX:Tier4CompileThreshold=150000",
    "-XX:Tier4BackEdgeThreshold=400000",
]


def environment(
    state: State,
    *,
    driver_memory: str = "2g",
    conf: Mapping[str, str] | None = None,
    scratch: Path | None = None,
    mounts: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """Return the environment variables, to add to the caller's, that make `python script.py` a local Spark driver.

    `conf` overrides the settings, which are written to a file that only the current user can read. `scratch` is the
    folder of that and of temporary files, by default `<state>/tmp`; `mounts` is the mount table, as for `settings`.
    """
    scratch = (scratch or state.root / "tmp").resolve()
    scratch.mkdir(parents=True, exist_ok=True)
    arguments = ["--master", "local[2]", "--driver-memory", driver_memory]
    if installation.JDBC_JAR.exists():
        arguments += ["--driver-class-path", str(installation.JDBC_JAR)]
    options = settings(state, conf or {}, mounts)
    java_options = [*_java_options(scratch), *shlex.split(options.pop("spark.driver.extraJavaOptions", ""))]
    arguments += ["--conf", f"spark.driver.extraJavaOptions={shlex.join(java_options)}"]
    # Every user of this machine can read the arguments of a process, and a job may have a password in its settings.
    properties = scratch / "spark.properties"
    files.replace(properties, _properties(options).encode(), 0o600)
    arguments += ["--properties-file", str(properties)]
    return {
        "PYSPARK_SUBMIT_ARGS": shlex.join([*arguments, "pyspark-shell"]),
        **installation.launch_variables(),
        "SPARK_LOCAL_DIRS": str(scratch),
        "TMPDIR": str(scratch),
    }


def _properties(options: Mapping[str, str]) -> str:
    """Return `options` in the format of Java's property files."""
    return "".join(f"{_escaped(name)}={_escaped(value)}\n" for name, value in options.items())


def _escaped(text: str) -> str:
    escaped = re.sub(r"([\\:=#! ])", r"\\\1", text)
    return escaped.replace("\n", "\\n").replace("\r", "\\r").replace("\t", "\\t").replace("\f", "\\f")


def settings(state: State, conf: Mapping[str, str], mounts: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the Spark settings of this world with the mount table `mounts`, overridden by `conf`.

    By default all existing buckets are mounted completely.
    """
    if mounts is None:
        lake = state.lake.resolve()
        mounts = {}
        for bucket in buckets(lake):
            mounts |= mount(bucket, "", local_address(lake / bucket))
    return {**_SETTINGS, **mounts, **conf}


def buckets(lake: Path) -> list[str]:
    """Return the names of the buckets in the folder `lake`."""
    return sorted(path.name for path in lake.glob("*") if path.is_dir()) if lake.is_dir() else []


def mount(bucket: str, folder: str, address: str) -> dict[str, str]:
    """Return the setting that mounts `address` as a folder of a bucket; an empty name is the fallback of the bucket."""
    name = f"link./{folder}" if folder else "linkFallback"
    return {f"spark.hadoop.fs.viewfs.mounttable.{bucket}.{name}": address}


def local_address(folder: Path) -> str:
    """Return the URI of a local folder for a mount."""
    return f"{_PLAIN_SCHEME}://{quote(str(folder))}"


def _java_options(scratch: Path) -> list[str]:
    # Libraries look for passwords in the user's home, such as those of Postgres and Maven repositories.
    options = ["-Duser.timezone=UTC", f"-Djava.io.tmpdir={scratch}", f"-Duser.home={scratch}"]
    options += ["-XX:-UsePerfData", "-XX:+UseSerialGC"]
    options += _LATE_OPTIMISATION
    if installation.archive_is_current(installation.JDBC_JAR, installation.ARCHIVE):
        options += [
            "-Xshare:auto",
            f"-XX:SharedArchiveFile={installation.ARCHIVE}",
            "-Xlog:cds=off",
            "-Xlog:cds+dynamic=off",
        ]
    return options

"""Spark on this machine: environment of a driver whose `s3://` is the lake's folder, JDBC driver and class archive."""

import hashlib
import importlib.metadata
import importlib.util
import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

from local_aws import toolchain
from local_aws.errors import SparkSetupError
from local_aws.state import State

BUILD = Path(__file__).resolve().parents[1] / "build"
JDBC_JAR = BUILD / "postgresql.jar"
ARCHIVE = BUILD / "spark.jsa"
_TRAINING = Path(__file__).with_name("spark_training.py")
JDBC_PACKAGE = "org.postgresql:postgresql:42.7.13"
JDBC_SHA256 = "6e0e4cc2d8cae902084f8a2b18728b073a6fd9d1f87c9d8bff8f298c18185b93"

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

    `conf` overrides the settings. `scratch` is the folder of temporary files, by default `<state>/tmp`; `mounts` is
    the mount table, as for `settings`.
    """
    scratch = (scratch or state.root / "tmp").resolve()
    scratch.mkdir(parents=True, exist_ok=True)
    arguments = ["--master", "local[2]", "--driver-memory", driver_memory]
    if JDBC_JAR.exists():
        arguments += ["--driver-class-path", str(JDBC_JAR)]
    options = settings(state, conf or {}, mounts)
    options["spark.driver.extraJavaOptions"] = shlex.join(
        [*_java_options(scratch), *shlex.split(options.get("spark.driver.extraJavaOptions", ""))]
    )
    for name, value in options.items():
        arguments += ["--conf", f"{name}={value}"]
    return {
        "PYSPARK_SUBMIT_ARGS": shlex.join([*arguments, "pyspark-shell"]),
        **_launch_variables(),
        "SPARK_LOCAL_DIRS": str(scratch),
        "TMPDIR": str(scratch),
    }


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


def _launch_variables() -> dict[str, str]:
    home = str(_spark_home())
    java = toolchain.java_home()
    return {
        **({"JAVA_HOME": str(java)} if java else {}),
        # Use the Spark of the virtual environment, not another one on this machine.
        "SPARK_HOME": home,
        "SPARK_CONF_DIR": str(Path(home) / "conf"),
        "SPARK_LOCAL_IP": "127.0.0.1",
        # spark-submit first starts a small JVM that only prints the command line of the real one.
        "SPARK_LAUNCHER_OPTS": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC -XX:-UsePerfData",
        "PYSPARK_PYTHON": sys.executable,
        "PYSPARK_DRIVER_PYTHON": sys.executable,
    }


def _java_options(scratch: Path) -> list[str]:
    # Libraries look for passwords in the user's home, such as those of Postgres and Maven repositories.
    options = ["-Duser.timezone=UTC", f"-Djava.io.tmpdir={scratch}", f"-Duser.home={scratch}"]
    options += ["-XX:-UsePerfData", "-XX:+UseSerialGC"]
    options += _LATE_OPTIMISATION
    if archive_is_current(JDBC_JAR, ARCHIVE):
        options += ["-Xshare:auto", f"-XX:SharedArchiveFile={ARCHIVE}", "-Xlog:cds=off", "-Xlog:cds+dynamic=off"]
    return options


def _spark_home() -> Path:
    """Return the folder of the installed pyspark, without importing it."""
    spec = importlib.util.find_spec("pyspark")
    if spec is None or spec.origin is None:
        raise SparkSetupError("the package pyspark is not installed; `make setup` installs it")
    return Path(spec.origin).parent


def _java_home() -> Path:
    if fetched := toolchain.java_home():
        return fetched
    home = os.environ.get("JAVA_HOME")
    java = str(Path(home) / "bin" / "java") if home else shutil.which("java")
    if java is None or not Path(java).exists():
        raise SparkSetupError("Java is missing: install a JDK, 17 or later, or set JAVA_HOME to one")
    return Path(java).resolve().parents[1]


def archive_inputs(jar: Path) -> dict[str, str]:
    """Return the versions of JDK, pyspark, JDBC driver and training program, for which an archive is valid."""
    java = _java_home()
    release = java / "release"
    return {
        "java": str(java),
        "java_release": release.read_text(encoding="utf-8") if release.exists() else "",
        "pyspark": f"{_spark_home()} {importlib.metadata.version('pyspark')}",
        "jar": f"{jar} {hashlib.sha256(jar.read_bytes()).hexdigest()}" if jar.exists() else "",
        "program": hashlib.sha256(_TRAINING.read_bytes()).hexdigest(),
    }


def can_archive() -> bool:
    """Return whether this Java can archive classes, which requires its own base archive."""
    return (_java_home() / "lib" / "server" / "classes.jsa").exists()


def archive_is_current(jar: Path, target: Path) -> bool:
    """Return whether the archive `target` exists and was created with the current JDK, pyspark and JDBC driver."""
    try:
        return target.exists() and json.loads(_sidecar(target).read_text(encoding="utf-8")) == archive_inputs(jar)
    except (OSError, ValueError, SparkSetupError):
        return False


def _sidecar(target: Path) -> Path:
    return target.with_suffix(target.suffix + ".json")


def archive(jar: Path = JDBC_JAR, target: Path = ARCHIVE) -> Path:
    """Create the class-data-sharing archive for drivers, unless it is current, and return its path.

    Runs a small program that uses the same features as the jobs. Raises SparkSetupError with Java's output.
    """
    if archive_is_current(jar, target):
        return target
    inputs = archive_inputs(jar)
    target.parent.mkdir(parents=True, exist_ok=True)
    _sidecar(target).unlink(missing_ok=True)
    unfinished = target.with_name(f".{target.name}.{os.getpid()}")
    with tempfile.TemporaryDirectory(prefix="totelake-archive-") as folder:
        state = State(Path(folder))
        (state.lake / "training").mkdir(parents=True)
        dump = shlex.join([f"-XX:ArchiveClassesAtExit={unfinished}", "-Xlog:cds=off", "-Xlog:cds+dynamic=off"])
        variables = environment(state, conf={"spark.driver.extraJavaOptions": dump})
        driver = _run_driver(["-P", str(_TRAINING)], variables)
    if driver.returncode or not unfinished.exists():
        unfinished.unlink(missing_ok=True)
        raise SparkSetupError(f"the class-data-sharing archive {target} could not be created:\n{_tail(driver)}")
    unfinished.replace(target)
    _sidecar(target).write_text(json.dumps(inputs, indent=1), encoding="utf-8")
    return target


def jdbc_jar(target: Path = JDBC_JAR) -> Path:
    """Fetch Postgres' JDBC driver to `target`, unless it exists, and return its path.

    Spark's resolver looks in Maven's local repository, then in Maven Central or the repository in the usual Ivy and
    Maven settings. Raises SparkSetupError when it is not available, or its SHA-256, also that of an existing file, is
    not JDBC_SHA256.
    """
    if target.exists():
        _check_jdbc_jar(target, f"remove {target} and run `make setup` again")
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="totelake-ivy-") as folder:
        arguments = {
            "spark.jars.packages": JDBC_PACKAGE,
            "spark.jars.excludes": "org.checkerframework:checker-qual",
            "spark.jars.ivy": folder,
            "spark.ui.enabled": "false",
        }
        options = [word for name, value in arguments.items() for word in ("--conf", f"{name}={value}")]
        variables = {**_launch_variables(), "PYSPARK_SUBMIT_ARGS": shlex.join([*options, "pyspark-shell"])}
        driver = _run_driver(
            ["-P", "-c", "from pyspark import SparkContext; SparkContext._ensure_initialized()"], variables
        )
        jars = list((Path(folder) / "jars").glob("*postgresql*.jar"))
        if driver.returncode or not jars:
            raise SparkSetupError(
                f"the JDBC driver {JDBC_PACKAGE} is not in Maven's local repository and could not be fetched; "
                f"put its jar at {target} manually, or make Maven Central reachable:\n{_tail(driver)}"
            )
        remedy = "remove it from Maven's local repository, or configure another repository"
        _check_jdbc_jar(jars[0], remedy)
        unfinished = target.with_name(f".{target.name}.{os.getpid()}")
        shutil.copyfile(jars[0], unfinished)
        unfinished.replace(target)
    return target


def _check_jdbc_jar(jar: Path, remedy: str) -> None:
    actual = hashlib.sha256(jar.read_bytes()).hexdigest()
    if actual != JDBC_SHA256:
        raise SparkSetupError(
            f"{jar.name} has the SHA-256 {actual}, not {JDBC_SHA256}, so it is truncated or not the JDBC driver "
            f"{JDBC_PACKAGE}: {remedy}"
        )


def _run_driver(arguments: list[str], variables: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        check=False,
        env={**os.environ, **variables},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def _tail(process: subprocess.CompletedProcess[str]) -> str:
    return "\n".join(process.stdout.splitlines()[-15:])

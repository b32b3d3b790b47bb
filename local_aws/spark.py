"""Spark on this machine: the environment of a driver whose `s3://` is the lake's folder, and what is built for it."""

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
# Hadoop's `file:` file system leaves a .crc file beside every file, and an S3 client would see those as objects. The
# plain one below it does not; it is mounted under a scheme of its own because much of Hadoop insists on `file:` being
# the former.
_PLAIN_SCHEME = "plain"
_SETTINGS = {
    "spark.hadoop.fs.s3.impl": _VIEW,
    "spark.hadoop.fs.s3a.impl": _VIEW,
    f"spark.hadoop.fs.{_PLAIN_SCHEME}.impl": "org.apache.hadoop.fs.RawLocalFileSystem",
    "spark.hadoop.mapreduce.fileoutputcommitter.marksuccessfuljobs": "false",
    # Else the files of a view file system are listed with their places, and each has an `ls` started for its rights.
    "spark.sql.sources.ignoreDataLocality": "true",
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.ansi.enabled": "true",
    "spark.sql.shuffle.partitions": "4",
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
    # Whoever uses this machine reaches the driver's ports. Spark makes the secret itself, in the memory of the driver.
    "spark.authenticate": "true",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.log.level": "WARN",
    # Without it Spark is told of every column which line of Python made it, in eight requests: most of what a small
    # batch asks of it.
    "spark.python.sql.dataFrameDebugging.enabled": "false",
}


# Java's second compiler takes half of the processor time of a job that lasts some seconds, and pays for it only in one
# that lasts minutes: let it wait ten times as long as it would before it takes up a method. Measured on two cores: a
# first Parquet file for 5.0 s of processor time and not 8.1; six million rows through a join for 20.6 s and not 23.9.
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
    """Return the variables that make `python script.py` a local Spark driver of this world, to lay over the caller's.

    `conf` adds to the settings and wins over them. `scratch` is the folder of temporary files, `<state>/tmp` where none
    is given, `mounts` the mount table, as for `settings`.
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
    """Return the Spark settings of this world, its mount table `mounts`, and `conf` over them.

    Where no mount table is given, all of each bucket that there is now is mounted.
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
    """Return the setting that mounts `address` as a folder of a bucket; an empty name is all that is not mounted."""
    name = f"link./{folder}" if folder else "linkFallback"
    return {f"spark.hadoop.fs.viewfs.mounttable.{bucket}.{name}": address}


def local_address(folder: Path) -> str:
    """Return the address of a folder of this machine for a mount."""
    return f"{_PLAIN_SCHEME}://{quote(str(folder))}"


def _launch_variables() -> dict[str, str]:
    home = str(_spark_home())
    java = toolchain.java_home()
    return {
        **({"JAVA_HOME": str(java)} if java else {}),
        # Another Spark on this machine must not be taken for the one of the virtual environment.
        "SPARK_HOME": home,
        "SPARK_CONF_DIR": str(Path(home) / "conf"),
        "SPARK_LOCAL_IP": "127.0.0.1",
        # spark-submit first starts a small JVM that only writes the command line of the real one.
        "SPARK_LAUNCHER_OPTS": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC -XX:-UsePerfData",
        "PYSPARK_PYTHON": sys.executable,
        "PYSPARK_DRIVER_PYTHON": sys.executable,
    }


def _java_options(scratch: Path) -> list[str]:
    # The user's home has passwords that libraries look for: those of Postgres, of Maven's repositories.
    options = ["-Duser.timezone=UTC", f"-Djava.io.tmpdir={scratch}", f"-Duser.home={scratch}"]
    options += ["-XX:-UsePerfData", "-XX:+UseSerialGC"]
    options += _LATE_OPTIMISATION
    if archive_is_current(JDBC_JAR, ARCHIVE):
        options += ["-Xshare:auto", f"-XX:SharedArchiveFile={ARCHIVE}", "-Xlog:cds=off", "-Xlog:cds+dynamic=off"]
    return options


def _spark_home() -> Path:
    """Folder of the installed pyspark, found without importing it."""
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
        raise SparkSetupError("there is no Java: install a JDK, 17 or later, or set JAVA_HOME to one")
    return Path(java).resolve().parents[1]


def makers(jar: Path) -> dict[str, str]:
    """Return what an archive is good for: this JDK, this pyspark and this driver, and no other."""
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
    """Whether the Java that is here archives classes: it does so on top of an archive of its own."""
    return (_java_home() / "lib" / "server" / "classes.jsa").exists()


def archive_is_current(jar: Path, target: Path) -> bool:
    """Whether the archive `target` exists and was made by the JDK, the pyspark and the driver that are here now."""
    try:
        return target.exists() and json.loads(_sidecar(target).read_text(encoding="utf-8")) == makers(jar)
    except (OSError, ValueError, SparkSetupError):
        return False


def _sidecar(target: Path) -> Path:
    return target.with_suffix(target.suffix + ".json")


def archive(jar: Path = JDBC_JAR, target: Path = ARCHIVE) -> Path:
    """Make the class-data-sharing archive that a driver starts from, unless it is current, and return its path.

    It takes one run of a small program that uses what the jobs use. Raises SparkSetupError with what Java said.
    """
    if archive_is_current(jar, target):
        return target
    made_by = makers(jar)
    target.parent.mkdir(parents=True, exist_ok=True)
    _sidecar(target).unlink(missing_ok=True)
    unfinished = target.with_name(f".{target.name}.{os.getpid()}")
    with tempfile.TemporaryDirectory(prefix="totelake-archive-") as folder:
        state = State(Path(folder))
        (state.lake / "training").mkdir(parents=True)
        dump = shlex.join([f"-XX:ArchiveClassesAtExit={unfinished}", "-Xlog:cds=off", "-Xlog:cds+dynamic=off"])
        variables = environment(state, conf={"spark.driver.extraJavaOptions": dump})
        ended = _run_driver(["-P", str(_TRAINING)], variables)
    if ended.returncode or not unfinished.exists():
        unfinished.unlink(missing_ok=True)
        raise SparkSetupError(f"the class-data-sharing archive {target} could not be made:\n{_tail(ended)}")
    unfinished.replace(target)
    _sidecar(target).write_text(json.dumps(made_by, indent=1), encoding="utf-8")
    return target


def jdbc_jar(target: Path = JDBC_JAR) -> Path:
    """Put the Postgres driver of JDBC at `target`, unless it is there, and return its path.

    Spark's own resolver finds it: in Maven's local repository first, then in Maven Central or the repository that the
    usual Ivy and Maven settings name. Raises SparkSetupError when it is found nowhere, and when what is found, or is at
    `target` already, has not the SHA-256 that is written here.
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
        ended = _run_driver(
            ["-P", "-c", "from pyspark import SparkContext; SparkContext._ensure_initialized()"], variables
        )
        found = list((Path(folder) / "jars").glob("*postgresql*.jar"))
        if ended.returncode or not found:
            raise SparkSetupError(
                f"the JDBC driver {JDBC_PACKAGE} is neither in Maven's local repository nor could it be fetched; "
                f"put its jar at {target} by hand, or make Maven Central reachable:\n{_tail(ended)}"
            )
        way_out = "remove it from Maven's local repository, or get it from another one than your settings name"
        _check_jdbc_jar(found[0], way_out)
        unfinished = target.with_name(f".{target.name}.{os.getpid()}")
        shutil.copyfile(found[0], unfinished)
        unfinished.replace(target)
    return target


def _check_jdbc_jar(jar: Path, way_out: str) -> None:
    found = hashlib.sha256(jar.read_bytes()).hexdigest()
    if found != JDBC_SHA256:
        raise SparkSetupError(
            f"{jar.name} has the SHA-256 {found} and not {JDBC_SHA256}, so it is cut off or not the JDBC driver "
            f"{JDBC_PACKAGE}: {way_out}"
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


def _tail(ended: subprocess.CompletedProcess[str]) -> str:
    return "\n".join(ended.stdout.splitlines()[-15:])

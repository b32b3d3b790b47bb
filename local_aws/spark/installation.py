"""The Spark, the Java and the files for them that are installed here."""

import hashlib
import importlib.metadata
import importlib.util
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from local_aws import toolchain
from local_aws.errors import SparkSetupError

BUILD = Path(__file__).resolve().parents[2] / "build"
JDBC_JAR = BUILD / "postgresql.jar"
"""The JDBC driver of Postgres, which `local_aws.spark.jdbc` fetches."""

ARCHIVE = BUILD / "spark.jsa"
"""The class-data-sharing archive from which a driver starts, which `local_aws.spark.archive` makes."""

TRAINING = Path(__file__).with_name("training.py")


def launch_variables() -> dict[str, str]:
    """Return the variables by which the installed Spark is launched, with this Python."""
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
        "program": hashlib.sha256(TRAINING.read_bytes()).hexdigest(),
    }


def can_archive() -> bool:
    """Return whether this Java can archive classes, which requires its own base archive."""
    return (_java_home() / "lib" / "server" / "classes.jsa").exists()


def archive_is_current(jar: Path, target: Path) -> bool:
    """Return whether the archive `target` exists and was created with the current JDK, pyspark and JDBC driver."""
    try:
        return target.exists() and json.loads(sidecar(target).read_text(encoding="utf-8")) == archive_inputs(jar)
    except (OSError, ValueError, SparkSetupError):
        return False


def sidecar(target: Path) -> Path:
    """Return the file beside an archive with the inputs of its creation."""
    return target.with_suffix(target.suffix + ".json")


def run_driver(arguments: list[str], variables: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """Run Python with these arguments and variables, and return how it ended, with its output."""
    return subprocess.run(
        [sys.executable, *arguments],
        check=False,
        env={**os.environ, **variables},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def tail(process: subprocess.CompletedProcess[str]) -> str:
    """Return the last lines of the output of `run_driver`."""
    return "\n".join(process.stdout.splitlines()[-15:])

"""The JDBC driver of Postgres, with a known digest."""

import hashlib
import os
import shlex
import shutil
import tempfile
from pathlib import Path

from local_aws.errors import SparkSetupError
from local_aws.spark import installation

JDBC_PACKAGE = "org.postgresql:postgresql:42.7.13"
JDBC_SHA256 = "6e0e4cc2d8cae902084f8a2b18728b073a6fd9d1f87c9d8bff8f298c18185b93"


def jdbc_jar(target: Path = installation.JDBC_JAR) -> Path:
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
        variables = {**installation.launch_variables(), "PYSPARK_SUBMIT_ARGS": shlex.join([*options, "pyspark-shell"])}
        driver = installation.run_driver(
            ["-P", "-c", "from pyspark import SparkContext; SparkContext._ensure_initialized()"], variables
        )
        jars = list((Path(folder) / "jars").glob("*postgresql*.jar"))
        if driver.returncode or not jars:
            raise SparkSetupError(
                f"the JDBC driver {JDBC_PACKAGE} is not in Maven's local repository and could not be fetched; "
                f"put its jar at {target} manually, or make Maven Central reachable:\n{installation.tail(driver)}"
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

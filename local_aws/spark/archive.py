"""The class-data-sharing archive, which makes the start of a driver faster."""

import json
import os
import shlex
import tempfile
from pathlib import Path

from local_aws.errors import SparkSetupError
from local_aws.spark import installation
from local_aws.spark.driver_settings import environment
from local_aws.state import State


def make_archive(jar: Path = installation.JDBC_JAR, target: Path = installation.ARCHIVE) -> Path:
    """Create the class-data-sharing archive for drivers, unless it is current, and return its path.

    Runs a small program that uses the same features as the jobs. Raises SparkSetupError with Java's output.
    """
    if installation.archive_is_current(jar, target):
        return target
    inputs = installation.archive_inputs(jar)
    target.parent.mkdir(parents=True, exist_ok=True)
    installation.sidecar(target).unlink(missing_ok=True)
    unfinished = target.with_name(f".{target.name}.{os.getpid()}")
    with tempfile.TemporaryDirectory(prefix="totelake-archive-") as folder:
        state = State(Path(folder))
        (state.lake / "training").mkdir(parents=True)
        dump = shlex.join([f"-XX:ArchiveClassesAtExit={unfinished}", "-Xlog:cds=off", "-Xlog:cds+dynamic=off"])
        variables = environment(state, conf={"spark.driver.extraJavaOptions": dump})
        driver = installation.run_driver(["-P", str(installation.TRAINING)], variables)
    if driver.returncode or not unfinished.exists():
        unfinished.unlink(missing_ok=True)
        raise SparkSetupError(
            f"the class-data-sharing archive {target} could not be created:\n{installation.tail(driver)}"
        )
    unfinished.replace(target)
    installation.sidecar(target).write_text(json.dumps(inputs, indent=1), encoding="utf-8")
    return target

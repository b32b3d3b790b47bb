"""Preparation of a job run: its modules are checked, its files fetched, its settings assembled."""

import importlib.metadata
import io
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from local_aws import deployed_code, spark
from local_aws.glue.drivers.process import Assignment
from local_aws.glue.jobs import arguments
from local_aws.glue.jobs.mounts import mount_table
from local_aws.glue.jobs.runs import GlueJobRun
from local_aws.glue.world import World
from local_aws.iam import Session

_HARMLESS_SETTINGS = ("spark.hadoop.fs.s3a.",)
"""Settings that cannot load code into a JVM, unlike `spark.submit.pyFiles`, `spark.pyspark.python`, …"""

_LAUNCH_SETTINGS = ("spark.driver.", "spark.jars", "spark.master", "spark.executor.extra")
"""Settings that are read when a JVM starts, so that a running one cannot apply them."""

_RESERVED_NAMES = ("tmp", "outcome", "stdout", "stderr")
"""The names of what the folder of a run has besides the files of the job."""


class PreparationError(Exception):
    """A run cannot start; GetJobRun shows the message."""


@dataclass(frozen=True)
class Preparation:
    """A run that is ready to start."""

    assignment: Assignment
    needs_own_jvm: bool
    """Whether its settings or its working folder must be set when the JVM starts."""

    deployment: str | None
    """The deployment that uploaded all of its code.

    None when other code is in it or its settings may load some, or when a session policy limits the run.
    """


def prepare(world: World, session: Session, run: GlueJobRun, command: Mapping[str, str], folder: Path) -> Preparation:
    """Fetch the files of a run into its folder with the credentials of `session`, which the run then uses.

    Raises PreparationError, naming what is missing, and InvalidInputError for an invalid `--conf`.
    """
    s3 = world.client("s3", session)
    _check_modules(run, s3)
    code: set[str] = set()

    def fetch(url: str) -> Path:
        path, content = _fetch(s3, url, folder)
        code.add(deployed_code.digest(content))
        return path

    def fetched(name: str) -> list[Path]:
        return [fetch(url) for url in arguments.listed(run.arguments, name)]

    script = fetch(command["ScriptLocation"])
    packages, jars = fetched("--extra-py-files"), fetched("--extra-jars")
    beside = fetched("--extra-files")
    python_path = [str(package.parent if package.suffix == ".py" else package) for package in packages]
    chosen = arguments.spark_settings(run.arguments)
    if jars:
        chosen["spark.jars"] = ",".join(str(jar) for jar in jars)
    settings = spark.settings(world.state, chosen, mount_table(session, world.state.lake.resolve()))
    scratch = str(folder / "tmp")
    # A home folder of its own: the user's has passwords and tokens of other programs.
    environment = {**world.environment(), **session.environment(), "HOME": scratch, "TMPDIR": scratch}
    environment["PYTHONPATH"] = ":".join(python_path)
    assignment = Assignment(
        script=str(script),
        argv=arguments.command_line(run.arguments),
        folder=str(folder),
        outcome=str(folder / "outcome"),
        environment=environment,
        python_path=python_path,
        settings={**settings, "spark.app.name": run.job_name, "spark.executorEnv.PYTHONPATH": ":".join(python_path)},
    )
    # Java cannot change its working folder: only a JVM of its own finds a file by a relative path.
    needs_own_jvm = bool(beside) or any(name.startswith(_LAUNCH_SETTINGS) for name in chosen)
    may_share = session.policy is None and all(name.startswith(_HARMLESS_SETTINGS) for name in chosen)
    deployment = deployed_code.deployment_of(world.state, code) if may_share else None
    return Preparation(assignment, needs_own_jvm, deployment)


def _check_modules(run: GlueJobRun, s3: Any) -> None:
    """Raise PreparationError unless the modules that Glue would install are installed; nothing is installed here."""
    wanted = [
        module
        for item in arguments.listed(run.arguments, "--additional-python-modules")
        for module in (_zipped_wheels(s3, item) if item.endswith(arguments.ZIP_OF_WHEELS) else [item])
    ]
    if not wanted:
        return
    installed = {
        arguments.normalised(item.metadata["Name"]): item.version
        for item in importlib.metadata.distributions()
        if item.metadata["Name"]
    }
    missing = arguments.missing_modules(wanted, installed)
    if missing:
        raise PreparationError(
            f"ModuleNotFoundError: {'; '.join(missing)}. Local runs use the installed virtual environment: put the "
            "module into requirements.lock and set the environment up again"
        )


def _zipped_wheels(s3: Any, url: str) -> list[str]:
    """Return the paths of the wheels in a zip of wheels, whose folder `wheels` has them and a requirements.txt."""
    try:
        with zipfile.ZipFile(io.BytesIO(_read(s3, url))) as archive:
            names = archive.namelist()
    except zipfile.BadZipFile as error:
        raise PreparationError(f"InvalidInputException: {url} is not a zip of wheels: {error}") from error
    wheels = [name for name in names if name.startswith("wheels/") and name.endswith(".whl")]
    if "wheels/requirements.txt" not in names or not wheels:
        raise PreparationError(
            f"InvalidInputException: {url} has no folder `wheels` with wheels and a requirements.txt"
        )
    return wheels


def _read(s3: Any, url: str) -> bytes:
    """Return the content of an object."""
    scheme, _, rest = url.partition("://")
    bucket, _, key = rest.partition("/")
    if scheme not in ("s3", "s3a") or not key or key.endswith("/"):
        raise PreparationError(f"InvalidInputException: {url!r} is not the URL of an object in S3")
    try:
        content: bytes = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    except (ClientError, BotoCoreError) as error:
        raise PreparationError(f"Failed to download {url}: {error}") from error
    return content


def _fetch(s3: Any, url: str, folder: Path) -> tuple[Path, bytes]:
    """Download an object into the folder, and return its path and content."""
    content = _read(s3, url)
    name = url.rpartition("/")[2]
    path = folder / name
    if name in _RESERVED_NAMES or (path.exists() and path.read_bytes() != content):
        raise PreparationError(f"InvalidInputException: {url}: the folder of the run has another file {name!r}")
    path.write_bytes(content)
    return path, content

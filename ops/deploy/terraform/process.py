"""The process `terraform`: which one, in what environment, and what it reports."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from local_aws import toolchain
from local_aws.process_environment import inherited
from ops.errors import OperationError

MINIMUM_VERSION = (1, 11)  # the first with write-only arguments, which keep passwords out of the state

_PATIENCE = 30.0  # seconds in which Terraform writes its state when it is told to stop
# Where Terraform finds its provider, and what it may take for that. Settings of a configuration are not inherited.
_INHERITED = (
    r"HOME|TMPDIR|XDG_\w+|GOGC|GOMEMLIMIT"
    r"|TF_CLI_CONFIG_FILE|TF_PLUGIN_CACHE_\w+|TF_REGISTRY_\w+|TF_PROVIDER_\w+|TF_TOKEN_\w+"
)
# Terraform and its provider live for seconds: without this half of their time goes into collecting garbage (measured:
# 8.4 s of processor time for an apply, with it 3.7 s).
_COLLECT_LATE = {"GOGC": "off", "GOMEMLIMIT": "1GiB"}


class TerraformError(OperationError):
    """Terraform could not do what it was asked to; the message holds what it said."""


class TerraformMissingError(TerraformError):
    """There is no Terraform, or one that is too old."""


def find_terraform() -> Path:
    """Return the Terraform that `bin/setup` has fetched, else the one on the PATH.

    Raises `TerraformMissingError` without one of at least `MINIMUM_VERSION`.
    """
    least = ".".join(map(str, MINIMUM_VERSION))
    get = f"`make setup` gets {least} or later"
    found = toolchain.terraform() or shutil.which("terraform")
    if not found:
        raise TerraformMissingError(f"Terraform is missing; {get}")
    said = subprocess.run(
        [found, "version", "-json"], env=_environment({}), capture_output=True, text=True, check=False
    )
    version = re.search(r'"terraform_version":\s*"(\d+)\.(\d+)\.', said.stdout)
    if not version:
        raise TerraformMissingError(f"{found} does not tell its version ({said.stderr.strip() or 'no output'}); {get}")
    if (int(version[1]), int(version[2])) < MINIMUM_VERSION:
        raise TerraformMissingError(f"{found} is version {version[1]}.{version[2]}, too old; {get}")
    return Path(found)


def run(folder: Path, *arguments: str, environment: Mapping[str, str] | None = None) -> str:
    """Run `terraform` with `arguments` in `folder` and return what it printed; raise `TerraformError` when it fails."""
    result = subprocess.run(
        [find_terraform(), *arguments],
        cwd=folder,
        env=_environment(environment or {}),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if result.returncode:
        said = "\n".join(filter(None, (result.stdout.strip(), result.stderr.strip())))
        raise TerraformError(f"terraform {arguments[0]} failed in {folder}: {said}")
    return result.stdout


def events(folder: Path, *arguments: str, environment: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    """Run a command that reports in lines of JSON, and yield its events as they come.

    Raises `TerraformError` at the end, with Terraform's diagnoses, when the command failed. A caller that gives up
    early stops it.
    """
    errors: list[str] = []
    with subprocess.Popen(
        [find_terraform(), *arguments, "-json"],
        cwd=folder,
        env=_environment(environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        assert process.stdout  # noqa: S101 - it is a pipe, as asked for
        try:
            for line in process.stdout:
                event = json.loads(line) if line.startswith("{") else {"type": "text", "@message": line.strip()}
                if event.get("@level") == "error":
                    errors.append(_diagnosis(event))
                yield event
        except BaseException:
            _stop(process)
            raise
    if process.returncode:
        raise TerraformError(
            f"terraform {arguments[0]} failed in {folder}: " + ("\n".join(errors) or "no reason given")
        )


def _diagnosis(event: dict[str, Any]) -> str:
    diagnostic = event.get("diagnostic", {})
    parts = [diagnostic.get("address"), diagnostic.get("summary", event["@message"]), diagnostic.get("detail")]
    return ": ".join(part for part in parts if part)


def _stop(process: subprocess.Popen[str]) -> None:
    """Ask for a clean end, in which Terraform writes its state, before killing."""
    process.terminate()
    try:
        process.communicate(timeout=_PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()


def _environment(extra: Mapping[str, str]) -> dict[str, str]:
    """Return what Terraform inherits with `extra`: no other account, no questions, no look for updates."""
    found = inherited(_INHERITED)
    if not Path(found.get("TF_CLI_CONFIG_FILE", "")).is_file():
        found.pop("TF_CLI_CONFIG_FILE", None)  # Terraform warns of a missing one in front of all that it says
    settings = {
        "TF_IN_AUTOMATION": "1",
        "CHECKPOINT_DISABLE": "1",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    return {**_COLLECT_LATE, **found, **settings, **extra}

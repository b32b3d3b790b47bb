"""The process `terraform`: its program, its environment variables, and its events."""

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

_STOP_SECONDS = 30.0  # enough for Terraform to save its state after SIGTERM
# The variables that control where the provider comes from; variables of a configuration (TF_VAR_) are not inherited.
_INHERITED = (
    r"HOME|TMPDIR|XDG_\w+|GOGC|GOMEMLIMIT"
    r"|TF_CLI_CONFIG_FILE|TF_PLUGIN_CACHE_\w+|TF_REGISTRY_\w+|TF_PROVIDER_\w+|TF_TOKEN_\w+"
)
# Terraform and its provider run for seconds, half of which they would spend in garbage collection (measured: an apply
# takes 8.4 s of processor time, with these settings 3.7 s).
_NO_GARBAGE_COLLECTION = {"GOGC": "off", "GOMEMLIMIT": "1GiB"}


class TerraformError(OperationError):
    """Terraform failed; the message includes its output."""


class TerraformMissingError(TerraformError):
    """Terraform is not installed, or too old."""


def find_terraform() -> Path:
    """Return the Terraform that `bin/setup` has downloaded, else the one on the PATH.

    Raises `TerraformMissingError` when it is missing or older than `MINIMUM_VERSION`.
    """
    minimum = ".".join(map(str, MINIMUM_VERSION))
    hint = f"`make setup` installs {minimum} or later"
    program = toolchain.terraform() or shutil.which("terraform")
    if not program:
        raise TerraformMissingError(f"Terraform is missing; {hint}")
    result = subprocess.run(
        [program, "version", "-json"], env=_environment({}), capture_output=True, text=True, check=False
    )
    version = re.search(r'"terraform_version":\s*"(\d+)\.(\d+)\.', result.stdout)
    if not version:
        raise TerraformMissingError(
            f"{program} does not print its version ({result.stderr.strip() or 'no output'}); {hint}"
        )
    if (int(version[1]), int(version[2])) < MINIMUM_VERSION:
        raise TerraformMissingError(f"{program} is version {version[1]}.{version[2]}, too old; {hint}")
    return Path(program)


def run(folder: Path, *arguments: str, environment: Mapping[str, str] | None = None) -> str:
    """Run `terraform` with `arguments` in `folder` and return its output; raise `TerraformError` when it fails."""
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
        output = "\n".join(filter(None, (result.stdout.strip(), result.stderr.strip())))
        raise TerraformError(f"terraform {arguments[0]} failed in {folder}: {output}")
    return result.stdout


def events(folder: Path, *arguments: str, environment: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    """Run a command with `-json` and yield its events; closing the generator stops the command.

    Raises `TerraformError` with Terraform's diagnostics after the last event when the command failed.
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
        assert process.stdout  # noqa: S101 - for the type checker: it is a pipe
        try:
            for line in process.stdout:
                event = json.loads(line) if line.startswith("{") else {"type": "text", "@message": line.strip()}
                if event.get("@level") == "error":
                    errors.append(_diagnostic(event))
                yield event
        except BaseException:
            _stop(process)
            raise
    if process.returncode:
        raise TerraformError(f"terraform {arguments[0]} failed in {folder}: " + ("\n".join(errors) or "no diagnostics"))


def _diagnostic(event: dict[str, Any]) -> str:
    diagnostic = event.get("diagnostic", {})
    parts = [diagnostic.get("address"), diagnostic.get("summary", event["@message"]), diagnostic.get("detail")]
    return ": ".join(part for part in parts if part)


def _stop(process: subprocess.Popen[str]) -> None:
    """Send SIGTERM, after which Terraform saves its state, and SIGKILL if it does not end."""
    process.terminate()
    try:
        process.communicate(timeout=_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()


def _environment(extra: Mapping[str, str]) -> dict[str, str]:
    """Return Terraform's environment variables with `extra`: no AWS configuration, no prompts, no update check."""
    variables = inherited(_INHERITED)
    if not Path(variables.get("TF_CLI_CONFIG_FILE", "")).is_file():
        variables.pop("TF_CLI_CONFIG_FILE", None)  # a missing file makes Terraform print a warning before its output
    settings = {
        "TF_IN_AUTOMATION": "1",
        "CHECKPOINT_DISABLE": "1",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    return {**_NO_GARBAGE_COLLECTION, **variables, **settings, **extra}

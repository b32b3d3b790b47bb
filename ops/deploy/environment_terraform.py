"""Terraform for one environment: the state in the environment's bucket, the plan in a file until it is applied."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ops.deploy import terraform
from ops.deploy.environments import DeployEnvironment
from ops.deploy.errors import TerraformFailedError

_SETTINGS = {"TF_IN_AUTOMATION": "1", "TF_INPUT": "0", "CHECKPOINT_DISABLE": "1"}
_PRIVATE = 0o077  # only the owner can access new files
_HAS_CHANGES = 2  # exit status of `plan -detailed-exitcode` for a plan with changes
_LOCK_TIMEOUT = "-lock-timeout=5m"  # longer than a concurrent apply takes


@dataclass(frozen=True, slots=True)
class Configuration:
    """A folder of Terraform configuration with the values of one environment."""

    environment: DeployEnvironment
    folder: Path
    values: tuple[str, ...]
    """Command-line options that set the variables."""

    def init(self) -> None:
        """Install the provider in its locked version, and configure the backend in the environment's bucket."""
        bucket = {"bucket": self.environment.state_bucket, "region": self.environment.region}
        if self.environment.local:  # without real credentials and virtual-hosted buckets
            names = ("skip_credentials_validation", "skip_requesting_account_id", "skip_metadata_api_check")
            bucket |= dict.fromkeys((*names, "skip_region_validation", "use_path_style"), "true")
        backend = (f"-backend-config={name}={value}" for name, value in bucket.items())
        self._run("init", "-reconfigure", "-lockfile=readonly", *backend)

    def plan(self) -> None:
        """Print a plan, without saving it."""
        self._run("plan", _LOCK_TIMEOUT, *self.values)

    def plan_and_apply(self, *options: str, confirm: Callable[[], None] = lambda: None) -> None:
        """Save and print a plan, and apply it if it contains changes, unless `confirm` raises an error.

        The file contains the values of all variables, passwords too: only its owner can read it, and it is removed when
        this returns or raises.
        """
        self._plan.unlink(missing_ok=True)  # an existing file would keep its mode
        saved = (f"-out={self._plan}", *options, *self.values)
        try:
            if self._run("plan", "-detailed-exitcode", _LOCK_TIMEOUT, *saved, umask=_PRIVATE) == _HAS_CHANGES:
                confirm()
                self._run("apply", _LOCK_TIMEOUT, str(self._plan))
        finally:
            self._plan.unlink(missing_ok=True)

    @property
    def _data(self) -> Path:
        """Terraform's data directory, one for each environment."""
        return self.folder / ".terraform" / self.environment.name

    @property
    def _plan(self) -> Path:
        return self._data / "plan"

    def _run(self, command: str, *options: str, umask: int = -1) -> int:
        """Run Terraform and wait for its end also after Ctrl-C, since it then saves its state; return the exit status.

        `umask` is the file mode creation mask of its process, by default this one's.

        Raises `TerraformFailedError`.
        """
        colour = () if sys.stdout.isatty() else ("-no-color",)
        sys.stdout.flush()
        process = subprocess.Popen(
            [terraform.find_terraform(), command, *colour, *options],
            cwd=self.folder,
            env={**_inherited(), **_SETTINGS, "TF_DATA_DIR": str(self._data)},
            stdin=subprocess.DEVNULL,
            umask=umask,
        )
        while process.returncode is None:
            with contextlib.suppress(KeyboardInterrupt):  # Terraform gets the signal too
                process.wait()
        if process.returncode not in {0, _HAS_CHANGES}:
            raise TerraformFailedError(f"terraform {command} failed in {self.folder}; see its output above")
        return process.returncode


def _inherited() -> dict[str, str]:
    """Return the environment without empty TF_VAR_ variables, which is how a GitHub workflow leaves one unset."""
    return {name: value for name, value in os.environ.items() if value or not name.startswith("TF_VAR_")}

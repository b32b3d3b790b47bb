"""Terraform on one environment: its state in the environment's bucket, its plan in a file."""

import contextlib
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from ops.deploy import terraform
from ops.deploy.environments import DeployEnvironment
from ops.deploy.errors import TerraformFailedError

_SETTINGS = {"TF_IN_AUTOMATION": "1", "TF_INPUT": "0", "CHECKPOINT_DISABLE": "1"}
_WOULD_CHANGE = 2  # the exit status of a plan, so asked, that is not empty
_LOCK_PATIENCE = "-lock-timeout=5m"  # somebody else's apply ends, or fails, in less


@dataclass(frozen=True, slots=True)
class Configuration:
    """A folder of configuration, as one environment has it."""

    environment: DeployEnvironment
    folder: Path
    values: tuple[str, ...]
    """The options that give the variables their values."""

    def init(self) -> None:
        """Get the provider, which has to be the locked one, and open the state in the environment's bucket."""
        bucket = {"bucket": self.environment.state_bucket, "region": self.environment.region}
        if self.environment.local:  # no real credentials, and no host name per bucket
            names = ("skip_credentials_validation", "skip_requesting_account_id", "skip_metadata_api_check")
            bucket |= dict.fromkeys((*names, "skip_region_validation", "use_path_style"), "true")
        backend = (f"-backend-config={name}={value}" for name, value in bucket.items())
        self._run("init", "-reconfigure", "-lockfile=readonly", *backend)

    def plan(self, *options: str) -> bool:
        """Write down what would change, show it, and say whether anything would."""
        status = self._run("plan", "-detailed-exitcode", _LOCK_PATIENCE, f"-out={self._plan}", *options, *self.values)
        self._plan.chmod(0o600)
        return status == _WOULD_CHANGE

    def apply(self) -> None:
        """Change what was planned, nothing else, once."""
        try:
            self._run("apply", _LOCK_PATIENCE, str(self._plan))
        finally:
            self._plan.unlink(missing_ok=True)

    def change(self) -> None:
        """Plan, and apply that plan if anything would change."""
        if self.plan():
            self.apply()

    @property
    def _data(self) -> Path:
        """What Terraform keeps beside the configuration, for each environment apart."""
        return self.folder / ".terraform" / self.environment.name

    @property
    def _plan(self) -> Path:
        return self._data / "plan"

    def _run(self, command: str, *options: str) -> int:
        """Run Terraform to its end, even when it is interrupted: it then writes down what it has done so far."""
        colour = () if sys.stdout.isatty() else ("-no-color",)
        sys.stdout.flush()
        process = subprocess.Popen(
            [terraform.find_terraform(), command, *colour, *options],
            cwd=self.folder,
            env={**_inherited(), **_SETTINGS, "TF_DATA_DIR": str(self._data)},
            stdin=subprocess.DEVNULL,
        )
        while process.returncode is None:
            with contextlib.suppress(KeyboardInterrupt):  # Terraform was interrupted too
                process.wait()
        if process.returncode not in {0, _WOULD_CHANGE}:
            raise TerraformFailedError(f"terraform {command} failed in {self.folder}, and has said why above")
        return process.returncode


def _inherited() -> dict[str, str]:
    """Return this process's variables, without empty ones of Terraform's: a workflow has no other way to unset one."""
    return {name: value for name, value in os.environ.items() if value or not name.startswith("TF_VAR_")}

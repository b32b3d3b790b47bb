"""The environments: the values in env/<name>.tfvars, and the variables that the caller has to set."""

import os
import re
from dataclasses import dataclass
from pathlib import Path

from ops.deploy.errors import EnvironmentNotFoundError, SettingMissingError

# The formats that `terraform fmt`, which the tests enforce, produces for a top-level assignment and a block.
_ASSIGNMENT = re.compile(r"^(\w+)\s*=\s*(.*?)\s*(?:#.*)?$", re.MULTILINE)
_VARIABLE = re.compile(r'^variable "(\w+)" \{\n(.*?)^\}', re.MULTILINE | re.DOTALL)
_ATTRIBUTE = r"^  {}\s*=\s*(.+)$"


@dataclass(frozen=True, slots=True)
class DeployEnvironment:
    """An environment: its name, the folder of the configuration, and the values needed before Terraform runs."""

    name: str
    configuration: Path
    prefix: str
    region: str
    local: bool

    @property
    def var_file(self) -> Path:
        """The file with the variables of this environment."""
        return self.configuration / f"env/{self.name}.tfvars"

    @property
    def state_bucket(self) -> str:
        """The bucket of Terraform's state."""
        return f"{self.prefix}-state"


def read(name: str, configuration: Path) -> DeployEnvironment:
    """Return the environment `name` of the `configuration`.

    Raises `EnvironmentNotFoundError`, which names the existing ones, and `SettingMissingError` without a prefix.
    """
    existing = sorted(path.stem for path in configuration.glob("env/*.tfvars"))
    if name not in existing:
        raise EnvironmentNotFoundError(
            f"there is no environment {name!r}: ENV is one of {', '.join(existing)}, or the name of another file in "
            f"{configuration / 'env'}"
        )
    values = _assignments(configuration / f"env/{name}.tfvars")
    if "prefix" not in values:
        raise SettingMissingError(f"env/{name}.tfvars does not set `prefix`, the first part of every name")
    region = values.get("region") or _attribute(_variables(configuration)["region"], "default")
    return DeployEnvironment(
        name,
        configuration,
        values["prefix"].strip('"'),
        region.strip('"'),
        local=values.get("local") == "true",
    )


def check_settings(environment: DeployEnvironment) -> None:
    """Raise `SettingMissingError` when a required variable has no value; the message says how to set it."""
    assigned = _assignments(environment.var_file).keys() | {
        name.removeprefix("TF_VAR_") for name, value in os.environ.items() if name.startswith("TF_VAR_") and value
    }
    for name, body in _variables(environment.configuration).items():
        if name not in assigned and not _attribute(body, "default"):
            description, kind = _attribute(body, "description").strip('"'), _attribute(body, "type")
            raise SettingMissingError(
                f"TF_VAR_{name} is not set. {description} Set it, as JSON, to a value of the type {kind}"
            )


def _assignments(path: Path) -> dict[str, str]:
    return dict(_ASSIGNMENT.findall(path.read_text()))


def _variables(configuration: Path) -> dict[str, str]:
    return dict(_VARIABLE.findall((configuration / "variables.tf").read_text()))


def _attribute(body: str, name: str) -> str:
    """Return the source text of an attribute of a block, or an empty string if the block lacks it."""
    match = re.search(_ATTRIBUTE.format(name), body, re.MULTILINE)
    return match[1] if match else ""

"""The environments: what env/<name>.tfvars says, and what has to come from whoever delivers."""

import os
import re
from dataclasses import dataclass
from pathlib import Path

from ops.deploy.errors import EnvironmentNotFoundError, SettingMissingError

# `terraform fmt`, which the tests demand, leaves a top-level assignment and a block no other look than these.
_ASSIGNMENT = re.compile(r"^(\w+)\s*=\s*(.*?)\s*(?:#.*)?$", re.MULTILINE)
_VARIABLE = re.compile(r'^variable "(\w+)" \{\n(.*?)^\}', re.MULTILINE | re.DOTALL)
_ATTRIBUTE = r"^  {}\s*=\s*(.+)$"


@dataclass(frozen=True, slots=True)
class DeployEnvironment:
    """One environment: its name, the folder of the configuration, and what has to be known before Terraform runs."""

    name: str
    configuration: Path
    prefix: str
    region: str
    local: bool

    @property
    def var_file(self) -> Path:
        """The values of this environment."""
        return self.configuration / f"env/{self.name}.tfvars"

    @property
    def state_bucket(self) -> str:
        """The bucket that holds what Terraform knows of the account."""
        return f"{self.prefix}-state"


def read(name: str, configuration: Path) -> DeployEnvironment:
    """Return the environment `name` of the `configuration`.

    Raises `EnvironmentNotFoundError`, which names those that exist, and `SettingMissingError` without a prefix.
    """
    known = sorted(path.stem for path in configuration.glob("env/*.tfvars"))
    if name not in known:
        raise EnvironmentNotFoundError(
            f"there is no environment {name!r}: ENV is one of {', '.join(known)}, or the name of another file in "
            f"{configuration / 'env'}"
        )
    values = _assigned(configuration / f"env/{name}.tfvars")
    if "prefix" not in values:
        raise SettingMissingError(f"env/{name}.tfvars sets no prefix, with which every name begins")
    region = values.get("region") or _attribute(_variables(configuration)["region"], "default")
    return DeployEnvironment(
        name,
        configuration,
        values["prefix"].strip('"'),
        region.strip('"'),
        local=values.get("local") == "true",
    )


def check_settings(environment: DeployEnvironment) -> None:
    """Raise `SettingMissingError` when a variable without a default has no value; the message says how to give it."""
    given = _assigned(environment.var_file).keys() | {
        name.removeprefix("TF_VAR_") for name, value in os.environ.items() if name.startswith("TF_VAR_") and value
    }
    for name, body in _variables(environment.configuration).items():
        if name not in given and not _attribute(body, "default"):
            description, kind = _attribute(body, "description").strip('"'), _attribute(body, "type")
            raise SettingMissingError(
                f"TF_VAR_{name} is not set. {description} Set it, as JSON, to a value of the type {kind}"
            )


def _assigned(path: Path) -> dict[str, str]:
    return dict(_ASSIGNMENT.findall(path.read_text()))


def _variables(configuration: Path) -> dict[str, str]:
    return dict(_VARIABLE.findall((configuration / "variables.tf").read_text()))


def _attribute(body: str, name: str) -> str:
    """Return an attribute of a block as it is written, empty when the block has none of that name."""
    found = re.search(_ATTRIBUTE.format(name), body, re.MULTILINE)
    return found[1] if found else ""

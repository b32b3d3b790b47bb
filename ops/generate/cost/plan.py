"""What an environment is made of: the resources that Terraform plans for it from its values, without an account."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ops.deploy import build, terraform

_FOLDER = build.FOLDER / "plan"
_TEST = "environment.tftest.hcl"


@dataclass(frozen=True, slots=True)
class Resource:
    """A planned resource; `values` has what is known before it exists."""

    address: str
    type: str
    values: dict[str, Any]

    @property
    def module(self) -> str:
        """The address of the module that it belongs to, the root's being empty."""
        return self.address.rpartition(f"{self.type}.")[0].rstrip(".")


def resources(environment: str) -> list[Resource]:
    """Return the resources of an environment, as `terraform/env/<environment>.tfvars` makes them.

    The provider is mocked, as in the configuration's own tests; nothing is asked of AWS. Raises `TerraformError`.
    """
    terraform.copy(_FOLDER)
    shutil.copytree(build.ROOT / "terraform" / "tests" / "mocks", _FOLDER / "tests" / "mocks", dirs_exist_ok=True)
    shutil.copyfile(Path(__file__).with_name(_TEST), _FOLDER / _TEST)
    terraform.init(_FOLDER)
    places = {
        "scripts": build.ROOT / "glue_jobs",
        "package": build.package(),
        "crawl_settings": build.ROOT / "crawlers" / "ingested.json",
        "queries": build.ROOT / "dashboards" / "queries",
    }
    said = terraform.run(
        _FOLDER,
        *("test", "-json", "-verbose", f"-var-file=env/{environment}.tfvars"),
        *(f"-var={name}={path}" for name, path in places.items()),
    )
    events = (json.loads(line) for line in said.splitlines() if line.startswith("{"))
    [plan] = [event["test_plan"] for event in events if event["type"] == "test_plan"]
    return [
        Resource(change["address"], change["type"], change["change"]["after"])
        for change in plan["resource_changes"]
        if change["mode"] == "managed"
    ]

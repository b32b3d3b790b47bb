"""The resources that Terraform plans for an environment, without an account."""

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
    """A planned resource; `values` has the attributes that are known before it is created."""

    address: str
    type: str
    values: dict[str, Any]

    @property
    def module(self) -> str:
        """The address of its module, empty for the root module."""
        return self.address.rpartition(f"{self.type}.")[0].rstrip(".")


def resources(environment: str) -> list[Resource]:
    """Return the planned resources of an environment with the values in `terraform/env/<environment>.tfvars`.

    The provider is mocked as in the configuration's tests, so no request is sent to AWS. Raises `TerraformError`.
    """
    terraform.copy(_FOLDER)
    shutil.copytree(build.ROOT / "terraform" / "tests" / "mocks", _FOLDER / "tests" / "mocks", dirs_exist_ok=True)
    shutil.copyfile(Path(__file__).with_name(_TEST), _FOLDER / _TEST)
    terraform.init(_FOLDER)
    paths = {
        "scripts": build.ROOT / "glue_jobs",
        "package": build.package(),
        "crawl_settings": build.ROOT / "crawlers" / "ingested.json",
        "queries": build.ROOT / "dashboards" / "queries",
    }
    output = terraform.run(
        _FOLDER,
        *("test", "-json", "-verbose", f"-var-file=env/{environment}.tfvars"),
        *(f"-var={name}={path}" for name, path in paths.items()),
    )
    events = (json.loads(line) for line in output.splitlines() if line.startswith("{"))
    [plan] = [event["test_plan"] for event in events if event["type"] == "test_plan"]
    return [
        Resource(change["address"], change["type"], change["change"]["after"])
        for change in plan["resource_changes"]
        if change["mode"] == "managed"
    ]

"""The resources that Terraform plans for an environment, without an account."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ops.deploy import build, terraform

_FOLDER = build.FOLDER / "plan"
_CONFIGURED, _VARIANTS = "environment.tftest.hcl", "variants.tftest.hcl"


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


def plans(environment: str, *, variants: bool = False) -> dict[str, list[Resource]]:
    """Return the planned resources of an environment with the values in `terraform/env/<environment>.tfvars`.

    By their name: `configured`, and with `variants` the runs of `variants.tftest.hcl`. The provider is mocked as in the
    configuration's tests, so no request is sent to AWS. Raises `TerraformError`.
    """
    terraform.copy(_FOLDER)
    shutil.copytree(build.ROOT / "terraform" / "tests" / "mocks", _FOLDER / "tests" / "mocks", dirs_exist_ok=True)
    tests = (_CONFIGURED, _VARIANTS) if variants else (_CONFIGURED,)
    for name in tests:
        shutil.copyfile(Path(__file__).with_name(name), _FOLDER / name)
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
        *(f"-filter={name}" for name in tests),
        *(f"-var={name}={path}" for name, path in paths.items()),
    )
    events = (json.loads(line) for line in output.splitlines() if line.startswith("{"))
    return {
        event["@testrun"]: [
            Resource(change["address"], change["type"], change["change"]["after"])
            for change in event["test_plan"]["resource_changes"]
            if change["mode"] == "managed"
        ]
        for event in events
        if event["type"] == "test_plan"
    }

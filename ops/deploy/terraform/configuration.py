"""A folder of Terraform configuration: copied for a local environment, initialised, applied, destroyed."""

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local_aws import files
from ops.deploy import build
from ops.deploy.terraform import provider
from ops.deploy.terraform.process import TerraformError, events, run

CONFIGURATION = build.ROOT / "terraform"

_SETTINGS = "settings.tfvars.json"
_OUTPUTS = "outputs.json"
_STAMP = ".terraform/initialised.sha256"
_LOCK = ".terraform.lock.hcl"
_INIT = ("-input=false", "-no-color", "-lockfile=readonly")
# backend.tf is not copied either, since a local environment keeps its state in its folder.
_NOT_COPIED = (".terraform", "tests", "bootstrap", "backend.tf", "*.tfstate", "*.tfstate.*", _LOCK, "*.tfvars.json")


@dataclass(frozen=True, slots=True)
class Progress:
    """The progress of an apply: `done` of `total` changes, and the last resource; total is 0 while it refreshes."""

    done: int
    total: int
    resource: str


@dataclass(frozen=True, slots=True)
class ApplyResult:
    """The numbers of resources that an apply changed, and the configuration's outputs."""

    added: int
    changed: int
    removed: int
    outputs: dict[str, Any]


def copy(folder: Path, source: Path = CONFIGURATION) -> None:
    """Copy the configuration in `source` to `folder`, and keep the state and the providers of an earlier copy."""
    for stale in [*folder.glob("*.tf"), *folder.glob("env/*.tfvars")]:
        stale.unlink()
    shutil.rmtree(folder / "modules", ignore_errors=True)
    shutil.copytree(source, folder, ignore=shutil.ignore_patterns(*_NOT_COPIED), dirs_exist_ok=True)


def init(folder: Path) -> None:
    """Install the provider of the configuration in `folder`, unless it is installed.

    It comes from Terraform's registry, or from a mirror on this machine if the registry fails, and must have one of the
    hashes in terraform/.terraform.lock.hcl. Raises `TerraformError` when neither has it.
    """
    if _is_initialised(folder):
        return
    shutil.copyfile(CONFIGURATION / _LOCK, folder / _LOCK)
    reachable = provider.registry_reachable()
    mirror = provider.provider_mirror()
    if not reachable and mirror is None:
        raise TerraformError(
            f"Terraform's registry ({provider.REGISTRY}) cannot be reached, and no mirror on this machine has the "
            f"provider {provider.PROVIDER} {provider.version()}. Go online once, or copy a mirror to this machine that "
            f"was created elsewhere with: terraform -chdir=terraform providers mirror ~/.terraform.d/plugins"
        )
    if not (reachable and _init_from_registry(folder, last_resort=mirror is None)):
        run(folder, "init", *_INIT, f"-plugin-dir={mirror}")
    (folder / _STAMP).write_text(_fingerprint(folder))


def apply(
    folder: Path,
    variables: Mapping[str, Any],
    *,
    environment: Mapping[str, str],
    var_file: str = "env/local.tfvars",
    on_progress: Callable[[Progress], None] = lambda _: None,
) -> ApplyResult:
    """Apply the configuration in `folder`, and save its outputs in `outputs.json`.

    `variables` override `var_file`. They are saved in the folder, readable by its owner only: no password appears in
    the process list, and an apply by hand uses them too. `environment` has the endpoint and the key of AWS; no other
    AWS settings are inherited. Raises `TerraformError` with Terraform's diagnostics.
    """
    files.replace(folder / _SETTINGS, json.dumps(dict(variables), indent=2).encode(), mode=0o600)
    total = done = 0
    applied: dict[str, int] = {}
    values: dict[str, Any] = {}
    for event in events(folder, "apply", *_options(var_file), environment=environment):
        match event:
            case {"type": "change_summary", "changes": {"operation": "plan"} as changes}:
                total = changes["add"] + changes["change"] + changes["remove"]
            case {"type": "change_summary", "changes": {"operation": "apply"} as changes}:
                applied = changes
            case {"type": "outputs", "outputs": declared}:
                values = {name: output["value"] for name, output in declared.items() if "value" in output}
            case {"type": "apply_complete", "hook": {"action": action, "resource": {"addr": address}}}:
                done += action != "read"  # reading a data source is not a change
                on_progress(Progress(done, total, address))
            case {"type": "refresh_complete", "hook": {"resource": {"addr": address}}}:
                on_progress(Progress(done, total, address))
    files.replace(folder / _OUTPUTS, json.dumps(values, indent=2).encode() + b"\n")
    return ApplyResult(applied.get("add", 0), applied.get("change", 0), applied.get("remove", 0), values)


def outputs(folder: Path) -> dict[str, Any]:
    """Return the outputs of the last apply in `folder`; raise `TerraformError` when there was none."""
    try:
        values: dict[str, Any] = json.loads((folder / _OUTPUTS).read_bytes())
    except FileNotFoundError as error:
        raise TerraformError(f"Terraform has not been applied in {folder} yet; run: totelake up") from error
    return values


def destroy(folder: Path, *, environment: Mapping[str, str], var_file: str = "env/local.tfvars") -> None:
    """Destroy all resources in the state of `folder`; raise `TerraformError` with Terraform's diagnostics."""
    for _ in events(folder, "destroy", *_options(var_file), environment=environment):
        pass
    (folder / _OUTPUTS).unlink(missing_ok=True)


def _options(var_file: str) -> list[str]:
    return ["-auto-approve", "-input=false", f"-var-file={var_file}", f"-var-file={_SETTINGS}"]


def _init_from_registry(folder: Path, *, last_resort: bool) -> bool:
    """Return whether init from the registry succeeded; raise `TerraformError` if it failed and is the `last_resort`."""
    environment = {}
    if "TF_PLUGIN_CACHE_DIR" not in os.environ:  # all local environments share one download
        provider.CACHE.mkdir(parents=True, exist_ok=True)
        environment = {"TF_PLUGIN_CACHE_DIR": str(provider.CACHE)}
    try:
        run(folder, "init", *_INIT, environment=environment)
    except TerraformError:
        if last_resort:
            raise
        return False
    return True


def _is_initialised(folder: Path) -> bool:
    stamp = folder / _STAMP
    installed = folder / ".terraform/providers" / provider.REGISTRY / provider.PROVIDER / provider.version()
    return (
        stamp.exists()
        and stamp.read_text() == _fingerprint(folder)
        and (folder / _LOCK).exists()
        and (folder / _LOCK).read_bytes() == (CONFIGURATION / _LOCK).read_bytes()
        and any(path.exists() for path in installed.glob("*/terraform-provider-aws*"))
    )


def _fingerprint(folder: Path) -> str:
    """Return a digest of the files that declare modules and providers."""
    digest = hashlib.sha256()
    for path in [*sorted(folder.glob("*.tf")), *sorted(folder.glob("modules/*/versions.tf"))]:
        digest.update(path.relative_to(folder).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()

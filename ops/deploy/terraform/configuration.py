"""A folder of Terraform configuration: copied for a local world, initialised, applied, destroyed."""

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
# A local world keeps its state beside it, so what says where an account's is kept stays here.
_NOT_COPIED = (".terraform", "tests", "bootstrap", "backend.tf", "*.tfstate", "*.tfstate.*", _LOCK, "*.tfvars.json")


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an apply is: `done` of `total` changes, and the last resource; total 0 while it still looks."""

    done: int
    total: int
    resource: str


@dataclass(frozen=True, slots=True)
class ApplyResult:
    """What an apply changed, in numbers of resources, and the configuration's outputs."""

    added: int
    changed: int
    removed: int
    outputs: dict[str, Any]


def copy(folder: Path, source: Path = CONFIGURATION) -> None:
    """Put the configuration in `source` into `folder`, over an earlier copy, whose state and providers it keeps."""
    for stale in [*folder.glob("*.tf"), *folder.glob("env/*.tfvars")]:
        stale.unlink()
    shutil.rmtree(folder / "modules", ignore_errors=True)
    shutil.copytree(source, folder, ignore=shutil.ignore_patterns(*_NOT_COPIED), dirs_exist_ok=True)


def init(folder: Path) -> None:
    """Install the provider that the configuration in `folder` asks for, unless that has been done.

    It comes from Terraform's registry; where that cannot be reached, or does not deliver, from a mirror on this
    machine, and has one of the hashes in terraform/.terraform.lock.hcl. Raises `TerraformError` when neither has it.
    """
    if _is_initialised(folder):
        return
    shutil.copyfile(CONFIGURATION / _LOCK, folder / _LOCK)
    reachable = provider.registry_reachable()
    mirror = provider.provider_mirror()
    if not reachable and mirror is None:
        raise TerraformError(
            f"Terraform's registry ({provider.REGISTRY}) cannot be reached, and no mirror on this machine has the "
            f"provider {provider.PROVIDER} {provider.version()}. Go online once, or make a mirror where it can be "
            f"reached: terraform -chdir=terraform providers mirror ~/.terraform.d/plugins"
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
    """Make what the configuration in `folder` describes exist, and keep its outputs in `outputs.json`.

    `variables` win over those of `var_file`. They lie in the folder, readable by its owner only: no password is seen
    in the list of processes, and an apply by hand finds them. `environment` says where AWS is and who asks; nothing
    else of AWS is inherited. Raises `TerraformError` with Terraform's own diagnoses.
    """
    files.replace(folder / _SETTINGS, json.dumps(dict(variables), indent=2).encode(), mode=0o600)
    total = done = 0
    made: dict[str, int] = {}
    found: dict[str, Any] = {}
    for event in events(folder, "apply", *_options(var_file), environment=environment):
        match event:
            case {"type": "change_summary", "changes": {"operation": "plan"} as changes}:
                total = changes["add"] + changes["change"] + changes["remove"]
            case {"type": "change_summary", "changes": {"operation": "apply"} as changes}:
                made = changes
            case {"type": "outputs", "outputs": values}:
                found = {name: output["value"] for name, output in values.items() if "value" in output}
            case {"type": "apply_complete", "hook": {"action": action, "resource": {"addr": address}}}:
                done += action != "read"  # a data source is read, and is no change
                on_progress(Progress(done, total, address))
            case {"type": "refresh_complete", "hook": {"resource": {"addr": address}}}:
                on_progress(Progress(done, total, address))
    files.replace(folder / _OUTPUTS, json.dumps(found, indent=2).encode() + b"\n")
    return ApplyResult(made.get("add", 0), made.get("change", 0), made.get("remove", 0), found)


def outputs(folder: Path) -> dict[str, Any]:
    """Return the outputs of the last apply in `folder`; raise `TerraformError` when there was none."""
    try:
        found: dict[str, Any] = json.loads((folder / _OUTPUTS).read_bytes())
    except FileNotFoundError as error:
        raise TerraformError(f"Terraform has not been applied in {folder} yet; run: totelake up") from error
    return found


def destroy(folder: Path, *, environment: Mapping[str, str], var_file: str = "env/local.tfvars") -> None:
    """Remove all that was applied from `folder`; raise `TerraformError` with Terraform's own diagnoses."""
    for _ in events(folder, "destroy", *_options(var_file), environment=environment):
        pass
    (folder / _OUTPUTS).unlink(missing_ok=True)


def _options(var_file: str) -> list[str]:
    return ["-auto-approve", "-input=false", f"-var-file={var_file}", f"-var-file={_SETTINGS}"]


def _init_from_registry(folder: Path, *, last_resort: bool) -> bool:
    """Say whether the registry delivered; raise `TerraformError` when it did not and was the `last_resort`."""
    environment = {}
    if "TF_PLUGIN_CACHE_DIR" not in os.environ:  # all local worlds share one download
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
    """Return what changes when the modules or the providers that the configuration names do."""
    digest = hashlib.sha256()
    for path in [*sorted(folder.glob("*.tf")), *sorted(folder.glob("modules/*/versions.tf"))]:
        digest.update(path.relative_to(folder).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()

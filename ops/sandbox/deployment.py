"""Deployment to a local environment: Terraform's resources, and the catalog's partitions of committed batches."""

import hashlib
import json
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from local_aws import deployed_code, files
from local_aws.state import State
from ops.deploy import build, terraform
from ops.deploy.build import Steps
from ops.sandbox.aws import OwnerClients
from ops.sandbox.settings import SOURCE_DATABASE, WAREHOUSE_DATABASE, WAREHOUSE_LOADER, SandboxSettings
from totelake.lake import catalog, zones
from totelake.lake.batches import IngestedBatch, ProcessedBatch
from totelake.lake.commit_log import CommitLog
from totesys.role_names import READER

_DEPLOYED_FILES = (
    "terraform/**/*.tf",
    "terraform/**/*.tfvars",
    "terraform/**/*.json",
    "crawlers/*.json",
    "dashboards/queries/**/*.sql",
    "glue_jobs/*.py",
)


@dataclass(frozen=True, slots=True)
class DeploymentRecord:
    """A finished deployment: the boot id of the endpoint, and a digest of the deployed content."""

    boot: str
    content: str


def is_current(state: State, settings: SandboxSettings, boot: str) -> bool:
    """Return whether the endpoint with this boot id has the content that would be deployed now."""
    return _last(state) == DeploymentRecord(boot, _digest(settings))


def was_finished(state: State, boot: str) -> bool:
    """Return whether the last deployment to the endpoint with this boot id was finished, not interrupted."""
    last = _last(state)
    return last is not None and last.boot == boot


def prepare(state: State, steps: Steps) -> None:
    """Copy the configuration and install its provider, for which no endpoint is needed."""
    with steps("Prepare Terraform"):
        terraform.copy(state.terraform)
        terraform.init(state.terraform)


def deploy(state: State, settings: SandboxSettings, boot: str, steps: Steps) -> None:
    """Apply Terraform to the endpoint with this boot id, and register the partitions of committed batches."""
    digest = _digest(settings)
    _record_file(state).unlink(missing_ok=True)
    deployed_code.record(state, [*build.ROOT.glob("glue_jobs/*.py"), build.PACKAGE])
    with steps("Apply Terraform") as show_detail:
        terraform.apply(
            state.terraform,
            variables(settings),
            environment=settings.aws_environment(),
            on_progress=lambda now: show_detail(f"{now.done}/{now.total}" if now.total else ""),
        )
    with steps("Register the partitions of committed batches"):
        _register_partitions(settings, outputs(state)["buckets"])
    files.replace(_record_file(state), json.dumps(asdict(DeploymentRecord(boot, digest))).encode())


def outputs(state: State) -> dict[str, Any]:
    """Return Terraform's outputs: the names of the deployed resources."""
    return terraform.outputs(state.terraform)


def variables(settings: SandboxSettings) -> dict[str, Any]:
    """Return Terraform's variables for this local environment."""
    return {
        "scripts": str(build.ROOT / "glue_jobs"),
        "package": str(build.PACKAGE),
        "crawl_settings": str(build.ROOT / "crawlers/ingested.json"),
        "wheels": None,
        "python_modules": _python_modules(),
        "queries": str(build.ROOT / "dashboards/queries"),
        "code_version": build.code_version(),
        "schedule": {"enabled": settings.schedules},
        "reconcile_schedule": {"enabled": settings.schedules},
        "crawl_schedule": {"enabled": settings.schedules},
        "compact_schedule": {"enabled": settings.schedules},
        "verify_schedule": {"enabled": settings.schedules},
        "totesys": settings.login(SOURCE_DATABASE, READER),
        "warehouse": settings.login(WAREHOUSE_DATABASE, WAREHOUSE_LOADER),
    }


def _python_modules() -> list[str]:
    """Return the pinned modules of the jobs; a local environment does not install them but checks their versions."""
    lock = (build.ROOT / "glue_jobs/requirements.lock").read_text()
    return re.findall(r"^[\w-]+==[\w.]+", lock, re.MULTILINE)


def _register_partitions(settings: SandboxSettings, buckets: dict[str, str]) -> None:
    owner = OwnerClients(settings)
    catalog.create(zones.INGESTED, CommitLog(buckets["ingested"], IngestedBatch, owner).live_files().tables, owner)
    catalog.create(zones.PROCESSED, CommitLog(buckets["processed"], ProcessedBatch, owner).live_files().tables, owner)


def _record_file(state: State) -> Path:
    return state.root / "deployment.json"


def _last(state: State) -> DeploymentRecord | None:
    try:
        return DeploymentRecord(**json.loads(_record_file(state).read_bytes()))
    except (OSError, ValueError, TypeError):
        return None


def _digest(settings: SandboxSettings) -> str:
    """Return a digest of everything that a deployment depends on: variables, endpoint and files."""
    inputs = [variables(settings), settings.aws_url, settings.access_key]
    digest = hashlib.sha256(json.dumps(inputs, sort_keys=True).encode())
    for path in sorted(path for pattern in _DEPLOYED_FILES for path in build.ROOT.glob(pattern)):
        digest.update(f"{path.relative_to(build.ROOT)}\0".encode() + path.read_bytes() + b"\0")
    return digest.hexdigest()

"""What is deployed to a local world: Terraform's resources, and the partitions of the batches that its lake holds."""

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
from ops.sandbox.settings import SOURCE_DATABASE, WAREHOUSE_DATABASE, WAREHOUSE_OWNER, SandboxSettings
from totesys import roles

_DEPLOYED = (
    "terraform/**/*.tf",
    "terraform/**/*.tfvars",
    "terraform/**/*.json",
    "crawlers/*.json",
    "dashboards/queries/**/*.sql",
    "glue_jobs/*.py",
)


@dataclass(frozen=True, slots=True)
class DeploymentRecord:
    """One finished deployment: which start of the endpoint got it, and a digest of what was deployed."""

    boot: str
    content: str


def is_current(state: State, settings: SandboxSettings, boot: str) -> bool:
    """Return whether the endpoint start `boot` has what would be deployed now."""
    return _last(state) == DeploymentRecord(boot, _content(settings))


def was_finished(state: State, boot: str) -> bool:
    """Return whether a deployment to the endpoint start `boot` was finished, and none was broken off after it."""
    last = _last(state)
    return last is not None and last.boot == boot


def prepare(state: State, steps: Steps) -> None:
    """Do what needs no endpoint: copy the configuration and get its provider."""
    with steps("Prepare Terraform"):
        terraform.copy(state.terraform)
        terraform.init(state.terraform)


def deploy(state: State, settings: SandboxSettings, boot: str, steps: Steps) -> None:
    """Apply Terraform to the endpoint start `boot`, and give the catalog the partitions of what is committed."""
    content = _content(settings)
    _file(state).unlink(missing_ok=True)
    deployed_code.record(state, [*build.ROOT.glob("glue_jobs/*.py"), build.PACKAGE])
    with steps("Apply Terraform") as tell:
        terraform.apply(
            state.terraform,
            variables(settings),
            environment=settings.aws_environment(),
            on_progress=lambda now: tell(f"{now.done}/{now.total}" if now.total else ""),
        )
    with steps("Register the partitions of committed batches"):
        _register_partitions(settings, outputs(state)["buckets"])
    files.replace(_file(state), json.dumps(asdict(DeploymentRecord(boot, content))).encode())


def outputs(state: State) -> dict[str, Any]:
    """Return Terraform's outputs: the names of what was deployed."""
    return terraform.outputs(state.terraform)


def variables(settings: SandboxSettings) -> dict[str, Any]:
    """Return what Terraform must be told of this world."""
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
        "totesys": settings.login(SOURCE_DATABASE, roles.READER),
        "warehouse": settings.login(WAREHOUSE_DATABASE, WAREHOUSE_OWNER),
    }


def _python_modules() -> list[str]:
    """Return what an account's jobs are shipped with; nothing is installed here, and these versions are expected."""
    lock = (build.ROOT / "glue_jobs/requirements.lock").read_text()
    return re.findall(r"^[\w-]+==[\w.]+", lock, re.MULTILINE)


def _register_partitions(settings: SandboxSettings, buckets: dict[str, str]) -> None:
    from ops.sandbox.aws import OwnerClients  # noqa: PLC0415 - most commands deploy nothing
    from totelake.lake import catalog, zones  # noqa: PLC0415
    from totelake.lake.batches import IngestedBatch, ProcessedBatch  # noqa: PLC0415
    from totelake.lake.commit_log import CommitLog  # noqa: PLC0415

    owner = OwnerClients(settings)
    catalog.register_committed(CommitLog(buckets["ingested"], IngestedBatch, owner), zones.INGESTED, owner)
    catalog.register_committed(CommitLog(buckets["processed"], ProcessedBatch, owner), zones.PROCESSED, owner)


def _file(state: State) -> Path:
    return state.root / "deployment.json"


def _last(state: State) -> DeploymentRecord | None:
    try:
        return DeploymentRecord(**json.loads(_file(state).read_bytes()))
    except (OSError, ValueError, TypeError):
        return None


def _content(settings: SandboxSettings) -> str:
    told = [variables(settings), settings.aws_url, settings.access_key]
    digest = hashlib.sha256(json.dumps(told, sort_keys=True).encode())
    for path in sorted(path for pattern in _DEPLOYED for path in build.ROOT.glob(pattern)):
        digest.update(f"{path.relative_to(build.ROOT)}\0".encode() + path.read_bytes() + b"\0")
    return digest.hexdigest()

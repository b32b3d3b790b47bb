"""Terraform as a tool: where it is, how a folder of configuration is prepared and applied, what its outputs are."""

from ops.deploy.terraform.configuration import CONFIGURATION, ApplyResult, Progress, apply, copy, destroy, init, outputs
from ops.deploy.terraform.process import TerraformError, TerraformMissingError, find_terraform, run
from ops.deploy.terraform.provider import provider_mirror, registry_reachable

__all__ = [
    "CONFIGURATION",
    "ApplyResult",
    "Progress",
    "TerraformError",
    "TerraformMissingError",
    "apply",
    "copy",
    "destroy",
    "find_terraform",
    "init",
    "outputs",
    "provider_mirror",
    "registry_reachable",
    "run",
]

"""Runs Terraform: finds the program, initialises, applies and destroys a configuration, reads its outputs."""

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

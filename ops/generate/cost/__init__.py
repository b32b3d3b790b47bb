"""Estimates the monthly cost of an environment from its Terraform plan and list prices."""

from ops.generate.cost import document
from ops.generate.cost.plan import resources

ENVIRONMENT = "dev"
"""The environment of docs/cost.md."""


def page() -> str:
    """Return docs/cost.md; runs `terraform test` to plan the environment, which takes some seconds."""
    return document.page(ENVIRONMENT, resources(ENVIRONMENT))


__all__ = ["ENVIRONMENT", "page"]

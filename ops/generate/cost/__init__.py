"""Estimates the monthly cost of the environments from their Terraform plans and list prices."""

from ops.generate.cost import document
from ops.generate.cost.plan import plans


def environments() -> dict[str, document.Plans]:
    """Return the plans of the environments of docs/cost.md, the first in detail; runs `terraform test`."""
    return {"dev": plans("dev", variants=True), "prod": plans("prod")}


def page() -> str:
    """Return docs/cost.md."""
    return document.page(environments())


__all__ = ["environments", "page"]

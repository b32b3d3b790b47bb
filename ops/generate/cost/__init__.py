"""What a month of an environment costs, from its Terraform configuration and a table of prices."""

from ops.generate.cost import document
from ops.generate.cost.plan import resources

ENVIRONMENT = "dev"
"""The environment that docs/cost.md is about."""


def page() -> str:
    """Return the page docs/cost.md, in Markdown; plans the environment with Terraform, which takes some seconds."""
    return document.page(ENVIRONMENT, resources(ENVIRONMENT))


__all__ = ["ENVIRONMENT", "page"]

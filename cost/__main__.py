"""Write what a month costs: `python -m cost > docs/cost.md`."""

import sys

from cost.document import page
from cost.plan import resources

ENVIRONMENT = "dev"


def document() -> str:
    """Return the page of the environment that is documented."""
    return page(ENVIRONMENT, resources(ENVIRONMENT))


if __name__ == "__main__":
    sys.stdout.write(document())

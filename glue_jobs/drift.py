"""Glue job: hold what the crawler found against the declarations."""

import sys

from totelake import drift
from totelake.runtime import glue


def main(argv: list[str]) -> None:
    """Run the drift check as the Glue job that `argv` names."""
    with glue.job(argv, "crawler") as run:
        drift.run(run, run.arguments["crawler"])


if __name__ == "__main__":
    main(sys.argv)

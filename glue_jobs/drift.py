"""Glue job: compare the schemas that the crawler discovered with the declared ones."""

import sys

from totelake import drift
from totelake.runtime import glue


def main(argv: list[str]) -> None:
    """Run the drift check as the Glue job run of `argv`."""
    with glue.job(argv, "crawler") as run:
        drift.run(run, run.arguments["crawler"])


if __name__ == "__main__":
    main(sys.argv)

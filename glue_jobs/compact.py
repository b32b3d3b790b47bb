"""Glue job: merge the small files of the lake."""

import sys

from totelake import compact
from totelake.runtime import glue


def main(argv: list[str]) -> None:
    """Run the compact stage as the Glue job run of `argv`."""
    with glue.job(argv, "ingested", "processed") as run:
        compact.run(run, run.arguments["ingested"], run.arguments["processed"])


if __name__ == "__main__":
    main(sys.argv)

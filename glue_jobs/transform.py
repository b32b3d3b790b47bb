"""Glue job: build the star schemas from the ingested batches."""

import sys

from totelake import transform
from totelake.runtime import glue


def main(argv: list[str]) -> None:
    """Run the transform stage as the Glue job run of `argv`."""
    with glue.job(argv, "ingested", "processed", optional=("quarantine_share", "rebuild")) as run:
        transform.run(run, run.arguments["ingested"], run.arguments["processed"])


if __name__ == "__main__":
    main(sys.argv)

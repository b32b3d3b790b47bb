"""Glue job: check the files of the lake."""

import sys

from totelake.runtime import glue
from totelake.verify import stage


def main(argv: list[str]) -> None:
    """Run the verify stage as the Glue job run of `argv`."""
    with glue.job(argv, "ingested", "processed", optional=("read",)) as run:
        stage.run(run, run.arguments["ingested"], run.arguments["processed"])


if __name__ == "__main__":
    main(sys.argv)

"""Glue job: load the star schemas into the warehouse."""

import sys

from totelake import warehouse
from totelake.runtime import glue
from totelake.warehouse import load


def main(argv: list[str]) -> None:
    """Run the load stage as the Glue job run of `argv`."""
    with glue.job(argv, "processed", optional=("rebuild", *warehouse.ARGUMENTS)) as run:
        load.run(run, run.arguments["processed"], warehouse.from_arguments(run))


if __name__ == "__main__":
    main(sys.argv)

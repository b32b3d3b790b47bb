"""Glue job: create the tables and the roles of the warehouse."""

import sys

from totelake import warehouse
from totelake.runtime import glue
from totelake.warehouse import define


def main(argv: list[str]) -> None:
    """Run the define stage as the Glue job run of `argv`."""
    with glue.job(argv, "loader_secret", "reader_secret", optional=("rotate", *warehouse.ARGUMENTS)) as run:
        define.run(run, warehouse.from_arguments(run))


if __name__ == "__main__":
    main(sys.argv)

"""Glue job: compare the warehouse with totesys."""

import sys

from totelake import reconcile, warehouse
from totelake.runtime import connections, glue


def main(argv: list[str]) -> None:
    """Run the reconcile stage as the Glue job run of `argv`."""
    names = ("source_connection", "ingested", "processed")
    with glue.job(argv, *names, optional=warehouse.ARGUMENTS) as run:
        source = connections.login(run.arguments["source_connection"])
        databases = reconcile.Databases(source, warehouse.from_arguments(run))
        reconcile.run(run, databases, run.arguments["ingested"], run.arguments["processed"])


if __name__ == "__main__":
    main(sys.argv)

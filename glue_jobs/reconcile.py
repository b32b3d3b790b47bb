"""Glue job: hold the warehouse against totesys."""

import sys

from totelake import reconcile, warehouse
from totelake.runtime import connections, glue


def main(argv: list[str]) -> None:
    """Run the reconcile stage as the Glue job that `argv` names."""
    names = ("source_connection", "ingested", "processed")
    with glue.job(argv, *names, optional=warehouse.ARGUMENTS) as run:
        source = connections.login(run.arguments["source_connection"])
        databases = reconcile.Databases(source, warehouse.named_in(run))
        reconcile.run(run, databases, run.arguments["ingested"], run.arguments["processed"])


if __name__ == "__main__":
    main(sys.argv)

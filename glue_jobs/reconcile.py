"""Glue job: hold the warehouse against totesys."""

import sys

from totelake import connections, glue, reconcile


def main(argv: list[str]) -> None:
    """Run the reconcile stage as the Glue job that `argv` names."""
    names = ("source_connection", "warehouse_connection", "ingested", "processed")
    with glue.job(argv, *names) as run:
        databases = reconcile.Databases(*(connections.login(run.arguments[name]) for name in names[:2]))
        reconcile.run(run, databases, run.arguments["ingested"], run.arguments["processed"])


if __name__ == "__main__":
    main(sys.argv)

"""Glue job: load the star schemas into the warehouse."""

import sys

from totelake import connections, glue, load


def main(argv: list[str]) -> None:
    """Run the load stage as the Glue job that `argv` names."""
    with glue.job(argv, "processed", "warehouse_connection", optional=("rebuild",)) as run:
        load.run(run, run.arguments["processed"], connections.login(run.arguments["warehouse_connection"]))


if __name__ == "__main__":
    main(sys.argv)

"""Glue job: ingest the changed rows of totesys into the ingested bucket."""

import sys

from totelake import ingest
from totelake.runtime import connections, glue


def main(argv: list[str]) -> None:
    """Run the ingest stage as the Glue job run of `argv`."""
    with glue.job(argv, "source_connection", "ingested", optional=("deletable_share", "reload")) as run:
        ingest.run(run, connections.login(run.arguments["source_connection"]), run.arguments["ingested"])


if __name__ == "__main__":
    main(sys.argv)

"""A local AWS for Terraform: prints its port, serves until it is ended. A script, to have a process of its own."""

import signal
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from botocore.credentials import Credentials

from local_aws.server import LocalAws
from local_aws.state import State


def main() -> None:
    """Serve on a free port of 127.0.0.1."""
    with TemporaryDirectory() as folder, LocalAws(State(Path(folder)), Credentials("local", "local")) as aws:
        sys.stdout.write(f"{aws.port}\n")
        sys.stdout.flush()
        signal.sigwait({signal.SIGTERM, signal.SIGINT})


if __name__ == "__main__":
    main()

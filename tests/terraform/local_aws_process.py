"""A script that serves a local AWS for Terraform in a separate process: prints its port, and serves until a signal.

It records the calls in the file that is its argument.
"""

import signal
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from botocore.credentials import Credentials
from recording import Recording

from local_aws.server import LocalAws
from local_aws.state import State


def main(calls: Path) -> None:
    """Serve on a free port of 127.0.0.1 until SIGTERM or SIGINT."""
    with TemporaryDirectory() as folder, LocalAws(State(Path(folder)), Credentials("local", "local")) as aws:
        aws.moto = Recording(aws.moto, calls)
        sys.stdout.write(f"{aws.port}\n")
        sys.stdout.flush()
        signal.sigwait({signal.SIGTERM, signal.SIGINT})


if __name__ == "__main__":
    main(Path(sys.argv[1]))

"""The interface of a peer: it reads its plan from standard input, and prints the seconds of each of its steps.

The plan is an object with: `source` and `target`, URLs of databases; `psql`, the path of that program; `folder`, an
empty folder; `tables`, the names of
the source tables; `selects`, the query of each star table on the schema `raw`; `create_tables` and `add_keys`, the
statements for the schema `star` of the target; `currencies`, pairs of a currency's code and name.
"""

import json
import resource
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

type Plan = dict[str, Any]


class Steps:
    """The seconds of each step so far."""

    def __init__(self) -> None:
        """Begin without steps."""
        self.seconds: dict[str, float] = {}

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        """Time the block as part of the step `name`."""
        began = time.monotonic()
        yield
        self.seconds[name] = self.seconds.get(name, 0.0) + time.monotonic() - began


def main(run: Callable[[Plan, Steps], None]) -> None:
    """Run a peer with its plan, and print the seconds of its steps and the maximum resident size in bytes as JSON."""
    steps = Steps()
    run(json.load(sys.stdin), steps)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps({"seconds": steps.seconds, "memory": memory}))

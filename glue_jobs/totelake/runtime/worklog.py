"""One line of JSON on stdout for each unit of work, ok or failed."""

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def unit(event: str, **fields: Any) -> Iterator[dict[str, Any]]:
    """Print one line when the block ends: `event`, `status`, `seconds`, `fields` and what the block added to them.

    The block gets a dictionary to put its figures into, such as `rows`. An exception is recorded and goes on.
    """
    figures = dict(fields)
    began = time.monotonic()
    status = "ok"
    try:
        yield figures
    except BaseException as error:
        status = "failed"
        figures["error"] = f"{type(error).__name__}: {error}"
        raise
    finally:
        say(event, status=status, seconds=round(time.monotonic() - began, 3), **figures)


def say(event: str, **fields: Any) -> None:
    """Print one line at once."""
    sys.stdout.write(json.dumps({"event": event, **fields}, default=str) + "\n")
    sys.stdout.flush()

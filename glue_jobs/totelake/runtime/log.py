"""Structured logging to stdout: one JSON line per unit of work, ok or failed."""

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def span(name: str, /, **fields: Any) -> Iterator[dict[str, Any]]:
    """Log one line when the block ends: `name` as the event, `status`, `seconds`, `fields` and the block's figures.

    The block gets a dictionary to put its figures into, such as `rows`. An exception is logged and propagates.
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
        event(name, status=status, seconds=round(time.monotonic() - began, 3), **figures)


def event(name: str, /, **fields: Any) -> None:
    """Log one line immediately."""
    sys.stdout.write(json.dumps({"event": name, **fields}, default=str) + "\n")
    sys.stdout.flush()

"""The clock that schedules go by, so that a test can bring its own."""

import threading
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """What schedules need of time."""

    def now(self) -> datetime:
        """Give the time, in UTC."""

    def wait(self, seconds: float) -> bool:
        """Let time pass; True when it is over for good because the schedules have been stopped."""

    def stop(self) -> None:
        """End every wait, now and from now on."""


class SystemClock:
    """The clock of this computer."""

    def __init__(self) -> None:
        """Start it."""
        self._stopped = threading.Event()

    def now(self) -> datetime:
        """Give the time, in UTC."""
        return datetime.now(UTC)

    def wait(self, seconds: float) -> bool:
        """Sleep until the time is over or the clock is stopped; True in the latter case."""
        return self._stopped.wait(seconds)

    def stop(self) -> None:
        """End every wait, now and from now on."""
        self._stopped.set()

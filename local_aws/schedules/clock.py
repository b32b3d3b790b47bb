"""The clock of the schedules, which tests can replace."""

import threading
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """The time functions that schedules use."""

    def now(self) -> datetime:
        """Return the current time in UTC."""

    def wait(self, seconds: float) -> bool:
        """Wait for `seconds`, or until the clock is stopped; return whether it was stopped."""

    def stop(self) -> None:
        """End all current and future waits."""


class SystemClock:
    """The system clock."""

    def __init__(self) -> None:
        """Create a clock that is not stopped."""
        self._stopped = threading.Event()

    def now(self) -> datetime:
        """Return the current time in UTC."""
        return datetime.now(UTC)

    def wait(self, seconds: float) -> bool:
        """Wait for `seconds`, or until the clock is stopped; return whether it was stopped."""
        return self._stopped.wait(seconds)

    def stop(self) -> None:
        """End all current and future waits."""
        self._stopped.set()

"""Who of several people began first, so that one can wait until somebody younger has finished."""

from threading import Condition


class Turnstile:
    """Counts those who work at the same time through their doings."""

    def __init__(self, people: int, patience: float) -> None:
        """Expect so many `people`, who wait for others for `patience` seconds at most."""
        self._condition = Condition()
        self._people = people
        self._patience = patience
        self._waiting: list[int] = []
        self._begun = 0
        self._youngest_done = 0

    def begin(self) -> int:
        """Return the number of a new doing; a higher one is younger."""
        with self._condition:
            self._begun += 1
            return self._begun

    def end(self, number: int) -> None:
        """Say that a doing is over: committed or given up."""
        with self._condition:
            self._youngest_done = max(self._youngest_done, number)
            self._condition.notify_all()

    def go_home(self) -> None:
        """Say that one person will do no more."""
        with self._condition:
            self._people -= 1
            self._condition.notify_all()

    def let_a_younger_pass(self) -> bool:
        """Wait for a doing that begins after this call to end; return whether one did while there was patience.

        When everybody waits, nobody would begin anything: whoever began to wait last goes on.
        """
        with self._condition:
            newest = self._begun
            self._waiting.append(newest)
            self._condition.notify_all()

            def may_go() -> bool:
                alone = len(self._waiting) == self._people and newest == max(self._waiting)
                return self._youngest_done > newest or alone

            self._condition.wait_for(may_go, self._patience)
            self._waiting.remove(newest)
            return self._youngest_done > newest

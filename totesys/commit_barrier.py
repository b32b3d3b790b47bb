"""A barrier between concurrent transactions: one can wait until another that began later has committed."""

from threading import Condition


class CommitBarrier:
    """Numbers the transactions of concurrent workers in the order in which they begin."""

    def __init__(self, people: int, patience: float) -> None:
        """Expect so many `people`, who wait for others for `patience` seconds at most."""
        self._condition = Condition()
        self._people = people
        self._patience = patience
        self._waiting: list[int] = []
        self._begun = 0
        self._youngest_done = 0

    def begin(self) -> int:
        """Return the number of a new transaction; a higher one began later."""
        with self._condition:
            self._begun += 1
            return self._begun

    def end(self, number: int) -> None:
        """Record that a transaction has ended: committed or rolled back."""
        with self._condition:
            self._youngest_done = max(self._youngest_done, number)
            self._condition.notify_all()

    def leave(self) -> None:
        """Record that one worker begins no more transactions."""
        with self._condition:
            self._people -= 1
            self._condition.notify_all()

    def wait_for_newer_commit(self) -> bool:
        """Wait until a transaction that begins after this call has ended; return whether one did before the timeout.

        When all workers wait, none would begin a transaction: the one that began to wait last continues.
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

"""A barrier between concurrent transactions: one can wait until a newer one has committed."""

from threading import Condition


class CommitBarrier:
    """Numbers the transactions of concurrent workers in the order in which they begin."""

    def __init__(self, workers: int, timeout: float) -> None:
        """Create a barrier for this number of `workers`; each waits for at most `timeout` seconds."""
        self._condition = Condition()
        self._workers = workers
        self._timeout = timeout
        self._waiting: list[int] = []
        self._begun = 0
        self._newest_ended = 0

    def begin(self) -> int:
        """Return the number of a new transaction; a higher one began later."""
        with self._condition:
            self._begun += 1
            return self._begun

    def end(self, number: int) -> None:
        """Record that a transaction has ended: committed or rolled back."""
        with self._condition:
            self._newest_ended = max(self._newest_ended, number)
            self._condition.notify_all()

    def leave(self) -> None:
        """Record that one worker begins no more transactions."""
        with self._condition:
            self._workers -= 1
            self._condition.notify_all()

    def wait_for_newer_commit(self) -> bool:
        """Wait until a transaction that begins after this call has ended; return whether one did before the timeout.

        When all workers wait, the one that began to wait last continues, since none would begin a transaction.
        """
        with self._condition:
            newest = self._begun
            self._waiting.append(newest)
            self._condition.notify_all()

            def can_continue() -> bool:
                is_last_of_all = len(self._waiting) == self._workers and newest == max(self._waiting)
                return self._newest_ended > newest or is_last_of_all

            self._condition.wait_for(can_continue, self._timeout)
            self._waiting.remove(newest)
            return self._newest_ended > newest

"""Transactions that write to totesys and restructure its tables in a history."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

import psycopg

from tests.chaos.events import BUSINESS, Event, HistoryContext
from tests.chaos.restructuring_events import RESTRUCTURING, make_readable, rejections
from totesys.business import Business

# Most histories shall have a batch that sees transactions newer than an open one.
_LEFT_OPEN = 0.4
_ROLLED_BACK = 0.1
_RESTRUCTURED = 0.6
_ENDS = 0.5
ROLLED_BACK = ", rolled back"
_NOT_POSSIBLE = (
    psycopg.errors.LockNotAvailable,
    psycopg.errors.ForeignKeyViolation,
    psycopg.errors.UniqueViolation,
    psycopg.errors.DuplicateTable,
    LookupError,
)


@dataclass
class HistoryResult:
    """The events of a history, to explain a failure, and its figures."""

    seed: int
    lines: list[str] = field(default_factory=list)
    runs: int = 0
    kills: Counter[str] = field(default_factory=Counter)
    events: Counter[str] = field(default_factory=Counter)
    rejected: Counter[str] = field(default_factory=Counter)
    compared: int = 0
    quarantined: int = 0
    rows: int = 0
    repeated: int = 0
    compactions: int = 0
    faults: list[str] = field(default_factory=list)


class Writers:
    """Writers to totesys, some of which keep a transaction open over several runs."""

    def __init__(
        self, url: str, choice: Random, result: HistoryResult, last_snapshot: Callable[[], str | None]
    ) -> None:
        """Write to the totesys at `url`; `last_snapshot` returns the snapshot of the last ingested batch."""
        self._url = url
        self._choice = choice
        self._result = result
        self._last_snapshot = last_snapshot
        self._late: list[psycopg.Connection] = []

    def run_transactions(self) -> None:
        """Run some transactions; open ones may end, and new ones may stay open."""
        for connection in list(self._late):
            if self._choice.random() < _ENDS:
                self._end(connection)
        for _ in range(self._choice.randint(1, 3)):
            connection = self._begin()
            for _ in range(self._choice.randint(1, 2)):
                self._event(connection, self._choice.choice(BUSINESS))
            if self._choice.random() < _LEFT_OPEN:
                self._result.lines.append("… transaction left open")
                self._late.append(connection)
            else:
                self._finish(connection)
        if self._choice.random() < _RESTRUCTURED:
            self._restructure()

    def rejections(self) -> list[str]:
        """Return the start of each error with which a run must fail at present; empty if none."""
        with psycopg.connect(self._url) as connection:
            return rejections(self._context(connection))

    def place_order(self) -> None:
        """Place one order; retry if the random design is in a child table, which foreign keys do not see."""
        while True:
            try:
                with psycopg.connect(self._url) as connection:
                    Business(connection, self._choice).place_sales_order()
            except psycopg.errors.ForeignKeyViolation:
                continue
            return

    def finish(self) -> None:
        """End all open transactions and remove what prevents reading totesys."""
        for connection in list(self._late):
            self._end(connection)
        with psycopg.connect(self._url) as connection:
            make_readable(self._context(connection))

    def _restructure(self) -> None:
        """Restructure tables, perhaps after changes of rows; an open transaction would block the next run."""
        for _ in range(self._choice.randint(1, 2)):
            connection = self._begin()
            if self._choice.random() < _ENDS:
                self._event(connection, self._choice.choice(BUSINESS))
            self._event(connection, self._choice.choice(RESTRUCTURING))
            self._finish(connection)

    def _begin(self) -> psycopg.Connection:
        connection = psycopg.connect(self._url)
        # Starts the transaction; a savepoint alone would be a transaction of its own and commit.
        connection.execute("SET LOCAL lock_timeout = '20ms'")
        return connection

    def _context(self, connection: psycopg.Connection) -> HistoryContext:
        business = Business(connection, self._choice)
        return HistoryContext(connection, business, self._choice, self._last_snapshot())

    def _end(self, connection: psycopg.Connection) -> None:
        self._late.remove(connection)
        self._result.lines.append("an open transaction ends")
        self._finish(connection)

    def _finish(self, connection: psycopg.Connection) -> None:
        if self._choice.random() < _ROLLED_BACK:
            self._result.lines.append("… and is rolled back")
            connection.rollback()
        else:
            connection.commit()
        connection.close()

    def _event(self, connection: psycopg.Connection, event: Event) -> None:
        """Run an event in a savepoint, which is rolled back if the event is not possible at present."""
        name = event.__name__.strip("_").replace("_", " ")
        try:
            with connection.transaction():
                event(self._context(connection))
                if self._choice.random() < _ROLLED_BACK:
                    name += ROLLED_BACK
                    raise psycopg.Rollback
        except _NOT_POSSIBLE as error:
            self._result.lines.append(f"{name} could not be done: {type(error).__name__}")
        else:
            self._result.lines.append(name)
            self._result.events[name] += 1

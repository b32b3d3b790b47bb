"""Those who write to totesys in a history, and change its tables."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

import psycopg

from tests.chaos.events import BUSINESS, Event, EventContext
from tests.chaos.restructuring_events import RESTRUCTURING, make_readable, refusals
from totesys.business import Business

# Most histories are to have a batch that passes a transaction by while it shows a younger one.
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
class Told:
    """What happened in a history, for whoever reads of its failure, and its figures."""

    seed: int
    lines: list[str] = field(default_factory=list)
    runs: int = 0
    kills: Counter[str] = field(default_factory=Counter)
    events: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    compared: int = 0
    waited: int = 0
    rows: int = 0
    once_more: int = 0
    faults: list[str] = field(default_factory=list)


class People:
    """Those who write to totesys, some of whom keep a transaction open over several runs."""

    def __init__(self, url: str, choice: Random, told: Told, last_snapshot: Callable[[], str | None]) -> None:
        """Write to the totesys at `url`, and tell of it; `last_snapshot` returns that of the last ingested batch."""
        self._url = url
        self._choice = choice
        self._told = told
        self._last_snapshot = last_snapshot
        self._late: list[psycopg.Connection] = []

    def act(self) -> None:
        """Write in some transactions; now and then one that was open ends, and one is left open."""
        for connection in list(self._late):
            if self._choice.random() < _ENDS:
                self._end(connection)
        for _ in range(self._choice.randint(1, 3)):
            connection = self._begin()
            for _ in range(self._choice.randint(1, 2)):
                self._event(connection, self._choice.choice(BUSINESS))
            if self._choice.random() < _LEFT_OPEN:
                self._told.lines.append("… and leaves the transaction open")
                self._late.append(connection)
            else:
                self._finish(connection)
        if self._choice.random() < _RESTRUCTURED:
            self._restructure()

    def refusals(self) -> list[str]:
        """Return why a run must be refused at present: the beginnings of errors, none where it must not."""
        with psycopg.connect(self._url) as connection:
            return refusals(self._context(connection))

    def place_order(self) -> None:
        """Write a single order, of another design where the one that is drawn lies in the child of the table only."""
        while True:
            try:
                with psycopg.connect(self._url) as connection:
                    Business(connection, self._choice).place_sales_order()
            except psycopg.errors.ForeignKeyViolation:
                continue
            return

    def leave(self) -> None:
        """End everything that is open, and let totesys be read by all."""
        for connection in list(self._late):
            self._end(connection)
        with psycopg.connect(self._url) as connection:
            make_readable(self._context(connection))

    def _restructure(self) -> None:
        """Change the tables, and perhaps rows before that; such a transaction is not left open: a run would wait."""
        for _ in range(self._choice.randint(1, 2)):
            connection = self._begin()
            if self._choice.random() < _ENDS:
                self._event(connection, self._choice.choice(BUSINESS))
            self._event(connection, self._choice.choice(RESTRUCTURING))
            self._finish(connection)

    def _begin(self) -> psycopg.Connection:
        connection = psycopg.connect(self._url)
        # This begins the transaction; a savepoint without one would be a transaction of its own, and commit.
        connection.execute("SET LOCAL lock_timeout = '20ms'")
        return connection

    def _context(self, connection: psycopg.Connection) -> EventContext:
        business = Business(connection, self._choice)
        return EventContext(connection, business, self._choice, self._last_snapshot())

    def _end(self, connection: psycopg.Connection) -> None:
        self._late.remove(connection)
        self._told.lines.append("an open transaction ends")
        self._finish(connection)

    def _finish(self, connection: psycopg.Connection) -> None:
        if self._choice.random() < _ROLLED_BACK:
            self._told.lines.append("… and is rolled back")
            connection.rollback()
        else:
            connection.commit()
        connection.close()

    def _event(self, connection: psycopg.Connection, event: Event) -> None:
        """Let something happen in a savepoint, which is given up when it is not possible at present."""
        name = event.__name__.strip("_").replace("_", " ")
        try:
            with connection.transaction():
                event(self._context(connection))
                if self._choice.random() < _ROLLED_BACK:
                    name += ROLLED_BACK
                    raise psycopg.Rollback
        except _NOT_POSSIBLE as error:
            self._told.lines.append(f"{name} could not be done: {type(error).__name__}")
        else:
            self._told.lines.append(name)
            self._told.events[name] += 1

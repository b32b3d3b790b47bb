"""Generated interleavings: the steps of a few concurrent transactions on their own rows.

An interleaving is identified by its seed and number. Its steps never wait: a row written or locked by a transaction
is not used by the others until that transaction, or its savepoint, has ended. Transactions write in any order: an
older one may write a row last, over a newer one's committed version.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

ROWS_OF_ONE = 4
FIRST_KEY = 1_000_000

_ROWS = (3, ROWS_OF_ONE)
_TRANSACTIONS = (2, 4)
_OPEN_AT_ONCE = 3
_CHANGES = (2, 8)
_SHARE_OF_SLOW = 0.4
_SLOW = 0.15
_SHARE_OF_DEEP = 0.01
_SHARE_OF_KEY_CHANGES = 0.3


class RowId(NamedTuple):
    """The id of a row: its table and its primary key."""

    table: str
    key: int


class StepKind(StrEnum):
    """The kind of a step."""

    BEGIN = "begin"
    INSERT = "insert"
    UPDATE = "update"
    DELETE = "delete"
    CHANGE_KEY = "change the key of"
    LOCK = "lock"
    DEEP_UPDATE = "update within more savepoints than a snapshot lists"
    SAVEPOINT = "savepoint"
    ROLLBACK_TO = "rollback to"
    RELEASE = "release"
    COMMIT = "commit"
    ROLLBACK = "rollback"
    PREPARE = "prepare"
    COMMIT_PREPARED = "commit prepared"
    ROLLBACK_PREPARED = "rollback prepared"
    BATCH = "batch"


CHANGES = frozenset({StepKind.INSERT, StepKind.UPDATE, StepKind.DELETE, StepKind.CHANGE_KEY, StepKind.DEEP_UPDATE})
COMMITS = frozenset({StepKind.COMMIT, StepKind.COMMIT_PREPARED})


class LastUpdated(StrEnum):
    """The new value of `last_updated`: the transaction's begin, the current time, or unchanged."""

    START = "current_timestamp"
    CLOCK = "clock_timestamp()"
    FORGOTTEN = "last_updated"


@dataclass(frozen=True, slots=True)
class ScheduleStep:
    """One step of a transaction, or a batch.

    `mark` is a value that only this step writes; for a batch it is its number.
    `target` is the new id of a row whose key is changed.
    """

    action: StepKind
    transaction: int = 0
    row: RowId | None = None
    stamp: LastUpdated | None = None
    mark: int = 0
    savepoint: str = ""
    target: RowId | None = None

    def __str__(self) -> str:
        """Return the step with its transaction and row."""
        if self.action is StepKind.BATCH:
            return f"batch {self.mark}"
        row = f"{self.row.table} {self.row.key}" if self.row else ""
        value = "forgotten" if self.stamp is LastUpdated.FORGOTTEN else f"= {self.stamp}"
        values = f"to {self.mark}, last_updated {value}" if self.stamp else ""
        target = f"to {self.target.key}," if self.target else ""
        words = (f"  T{self.transaction}", self.action, row, target, values, self.savepoint)
        return " ".join(word for word in words if word)


@dataclass(frozen=True, slots=True)
class Interleaving:
    """The steps of a few transactions in order; the last one is a batch."""

    number: int
    steps: tuple[ScheduleStep, ...]

    @property
    def late(self) -> frozenset[int]:
        """The transactions that wrote before a batch and committed after it."""
        batch, changed, late = 0, dict[int, int](), set()
        for step in self.steps:
            if step.action is StepKind.BATCH:
                batch = step.mark
            elif step.action in CHANGES:
                changed.setdefault(step.transaction, batch)
            elif step.action in COMMITS and changed.get(step.transaction, batch) < batch:
                late.add(step.transaction)
        return frozenset(late)

    def __str__(self) -> str:
        """Return the schedule, one step per line."""
        return "\n".join(f"{place:4}  {step}" for place, step in enumerate(self.steps, 1))


def owner(row: RowId) -> int | None:
    """Return the number of the interleaving that `row` belongs to, or None."""
    return (row.key - FIRST_KEY) // ROWS_OF_ONE if row.key >= FIRST_KEY else None


def generate(seed: int, number: int, tables: list[str], batches: int) -> Interleaving:
    """Return interleaving `number` of `seed`, on rows of `tables`, with `batches` batches among its steps.

    The last batch comes after all transactions have ended.
    """
    choice = random.Random(f"{seed}/{number}")
    keys = range(FIRST_KEY + number * ROWS_OF_ONE, FIRST_KEY + (number + 1) * ROWS_OF_ONE)
    rows = [RowId(choice.choice(tables), key) for key in keys[: choice.randint(*_ROWS)]]
    steps = list(_ScheduleGenerator(choice, rows).steps())
    places = sorted(choice.randint(0, len(steps)) for _ in range(batches - 1))
    for batch, place in reversed(list(enumerate(places, 1))):
        steps.insert(place, ScheduleStep(StepKind.BATCH, mark=batch))
    return Interleaving(number, (*steps, ScheduleStep(StepKind.BATCH, mark=batches)))


@dataclass
class _Transaction:
    """A transaction in progress: `locked` has the rows that it locks, and whether they exist for it."""

    number: int
    events: int
    eagerness: float
    state: StepKind | None = None
    locked: dict[RowId, bool] = field(default_factory=dict)
    savepoints: list[tuple[str, dict[RowId, bool]]] = field(default_factory=list)


class _ScheduleGenerator:
    """The transactions of one interleaving, and which rows exist and are locked meanwhile."""

    def __init__(self, choice: random.Random, rows: list[RowId]) -> None:
        self._choice = choice
        self._exists = dict.fromkeys(rows, False)
        self._marks = 0
        self._named = 0
        self._unended = [
            _Transaction(number, choice.randint(*_CHANGES), self._eagerness())
            for number in range(1, choice.randint(*_TRANSACTIONS) + 1)
        ]

    def _eagerness(self) -> float:
        """Return a transaction's weight: a slow one stays open, or prepared, while others start and end."""
        return _SLOW if self._choice.random() < _SHARE_OF_SLOW else 1.0

    def steps(self) -> Iterator[ScheduleStep]:
        """Yield steps until every transaction has ended."""
        while self._unended:
            crowded = sum(transaction.state is StepKind.BEGIN for transaction in self._unended) == _OPEN_AT_ONCE
            able = [transaction for transaction in self._unended if transaction.state or not crowded]
            [transaction] = self._choice.choices(able, [transaction.eagerness for transaction in able])
            if transaction.state is None:
                transaction.state = StepKind.BEGIN
                yield ScheduleStep(StepKind.BEGIN, transaction.number)
            elif transaction.state is StepKind.PREPARE or transaction.events == 0:
                yield self._end(transaction)
            else:
                transaction.events -= 1
                yield from self._change_or_savepoint(transaction)

    def _end(self, transaction: _Transaction) -> ScheduleStep:
        if transaction.state is StepKind.PREPARE:
            weights = {StepKind.COMMIT_PREPARED: 4, StepKind.ROLLBACK_PREPARED: 1}
        else:
            weights = {StepKind.COMMIT: 12, StepKind.PREPARE: 5, StepKind.ROLLBACK: 3}
        [end] = self._choice.choices(list(weights), list(weights.values()))
        transaction.state = end
        if end is StepKind.PREPARE:
            transaction.eagerness = self._eagerness()
        else:
            self._unended.remove(transaction)
        if end in COMMITS:
            self._exists |= transaction.locked
        return ScheduleStep(end, transaction.number)

    def _change_or_savepoint(self, transaction: _Transaction) -> Iterator[ScheduleStep]:
        savepoints = transaction.savepoints
        kind = self._choice.choices(
            (StepKind.UPDATE, StepKind.SAVEPOINT, StepKind.ROLLBACK_TO, StepKind.RELEASE),
            (8, 2, 2 if savepoints else 0, 1 if savepoints else 0),
        )[0]
        if kind is StepKind.UPDATE:
            yield from self._change(transaction)
            return
        if kind is StepKind.SAVEPOINT:
            self._named += 1
            savepoints.append((f"s{self._named}", dict(transaction.locked)))
            yield ScheduleStep(kind, transaction.number, savepoint=f"s{self._named}")
            return
        place = self._choice.randrange(len(savepoints))
        name, locked = savepoints[place]
        if kind is StepKind.ROLLBACK_TO:
            transaction.locked = dict(locked)
            del savepoints[place + 1 :]
        else:
            del savepoints[place:]
        yield ScheduleStep(kind, transaction.number, savepoint=name)

    def _change(self, transaction: _Transaction) -> Iterator[ScheduleStep]:
        """Write or lock a row that no other transaction locks, if there is one."""
        locked_by_others = {row for other in self._unended if other is not transaction for row in other.locked}
        free = [row for row in self._exists if row not in locked_by_others]
        if not free:
            return
        row = self._choice.choice(free)
        exists = {**self._exists, **transaction.locked}
        action, target = self._action(exists[row]), None
        others = [other for other in free if other.table == row.table and not exists[other]]
        if action is StepKind.UPDATE and others and self._choice.random() < _SHARE_OF_KEY_CHANGES:
            action, target = StepKind.CHANGE_KEY, self._choice.choice(others)
            transaction.locked[target] = True
        transaction.locked[row] = action not in {StepKind.DELETE, StepKind.CHANGE_KEY}
        self._marks += 1
        stamp = None
        if action in {StepKind.UPDATE, StepKind.CHANGE_KEY, StepKind.DEEP_UPDATE}:
            stamp = self._choice.choice(list(LastUpdated))
        elif action is StepKind.INSERT:
            stamp = self._choice.choice((LastUpdated.START, LastUpdated.CLOCK))
        yield ScheduleStep(action, transaction.number, row, stamp, self._marks, target=target)

    def _action(self, exists: bool) -> StepKind:
        if not exists:
            return StepKind.INSERT
        if self._choice.random() < _SHARE_OF_DEEP:
            return StepKind.DEEP_UPDATE
        kinds = (StepKind.UPDATE, StepKind.LOCK, StepKind.DELETE)
        return self._choice.choices(kinds, (16, 1, 7))[0]

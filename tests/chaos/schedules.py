"""Generated interleavings: what a few concurrent transactions do to rows of their own, one step after another.

An interleaving is known by the seed and its number. Its steps never wait: a row that a transaction has written or
locked is left alone by the others until that transaction, or the savepoint it was written behind, is gone. What order
the transactions come in is open: one that began first may write a row last, over a younger one's committed version.
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
_DEEDS = (2, 8)
_SHARE_OF_SLOW = 0.4
_SLOW = 0.15
_SHARE_OF_DEEP = 0.01
_SHARE_OF_KEY_CHANGES = 0.3


class Row(NamedTuple):
    """A row of totesys, by its table and its primary key."""

    table: str
    key: int


class Action(StrEnum):
    """What one step does."""

    BEGIN = "begin"
    INSERT = "insert"
    UPDATE = "update"
    DELETE = "delete"
    CHANGE_KEY = "change the key of"
    LOCK = "lock"
    DEEP_UPDATE = "update behind more savepoints than a snapshot lists"
    SAVEPOINT = "savepoint"
    ROLLBACK_TO = "rollback to"
    RELEASE = "release"
    COMMIT = "commit"
    ROLLBACK = "rollback"
    PREPARE = "prepare"
    COMMIT_PREPARED = "commit prepared"
    ROLLBACK_PREPARED = "rollback prepared"
    BATCH = "batch"


CHANGES = frozenset({Action.INSERT, Action.UPDATE, Action.DELETE, Action.CHANGE_KEY, Action.DEEP_UPDATE})
COMMITS = frozenset({Action.COMMIT, Action.COMMIT_PREPARED})


class Stamp(StrEnum):
    """What a change says in `last_updated`: when its transaction began, when it was made, or nothing new."""

    START = "current_timestamp"
    CLOCK = "clock_timestamp()"
    FORGOTTEN = "last_updated"


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a transaction, or a batch.

    `mark` tells the values that the step writes from all others that the row ever has; of a batch it is the number.
    `target` is the row that a row becomes whose key is changed.
    """

    action: Action
    transaction: int = 0
    row: Row | None = None
    stamp: Stamp | None = None
    mark: int = 0
    savepoint: str = ""
    target: Row | None = None

    def __str__(self) -> str:
        """Say who does what to which row."""
        if self.action is Action.BATCH:
            return f"batch {self.mark}"
        row = f"{self.row.table} {self.row.key}" if self.row else ""
        said = "forgotten" if self.stamp is Stamp.FORGOTTEN else f"= {self.stamp}"
        values = f"to {self.mark}, last_updated {said}" if self.stamp else ""
        target = f"to {self.target.key}," if self.target else ""
        words = (f"  T{self.transaction}", self.action, row, target, values, self.savepoint)
        return " ".join(word for word in words if word)


@dataclass(frozen=True, slots=True)
class Interleaving:
    """The steps of a few transactions in the order in which they are done; the last one is a batch."""

    number: int
    steps: tuple[Step, ...]

    @property
    def late(self) -> frozenset[int]:
        """The transactions that changed something before a batch, and committed it after that."""
        batch, changed, late = 0, dict[int, int](), set()
        for step in self.steps:
            if step.action is Action.BATCH:
                batch = step.mark
            elif step.action in CHANGES:
                changed.setdefault(step.transaction, batch)
            elif step.action in COMMITS and changed.get(step.transaction, batch) < batch:
                late.add(step.transaction)
        return frozenset(late)

    def __str__(self) -> str:
        """Print the schedule, a step a line."""
        return "\n".join(f"{place:4}  {step}" for place, step in enumerate(self.steps, 1))


def owner(row: Row) -> int | None:
    """Return the number of the interleaving that `row` belongs to, None when it belongs to none."""
    return (row.key - FIRST_KEY) // ROWS_OF_ONE if row.key >= FIRST_KEY else None


def generate(seed: int, number: int, tables: list[str], batches: int) -> Interleaving:
    """Return the interleaving `number` of `seed`, on rows of `tables`, with `batches` batches among its steps.

    The last batch comes when all its transactions have ended.
    """
    choice = random.Random(f"{seed}/{number}")
    keys = range(FIRST_KEY + number * ROWS_OF_ONE, FIRST_KEY + (number + 1) * ROWS_OF_ONE)
    rows = [Row(choice.choice(tables), key) for key in keys[: choice.randint(*_ROWS)]]
    steps = list(_Business(choice, rows).steps())
    places = sorted(choice.randint(0, len(steps)) for _ in range(batches - 1))
    for batch, place in reversed(list(enumerate(places, 1))):
        steps.insert(place, Step(Action.BATCH, mark=batch))
    return Interleaving(number, (*steps, Step(Action.BATCH, mark=batches)))


@dataclass
class _Transaction:
    """A transaction as far as it has come: `held` are the rows it locks, and whether they exist for it."""

    number: int
    events: int
    eagerness: float
    state: Action | None = None
    held: dict[Row, bool] = field(default_factory=dict)
    savepoints: list[tuple[str, dict[Row, bool]]] = field(default_factory=list)


class _Business:
    """The transactions of one interleaving, and which rows exist and are held while they go on."""

    def __init__(self, choice: random.Random, rows: list[Row]) -> None:
        self._choice = choice
        self._exists = dict.fromkeys(rows, False)
        self._marks = 0
        self._named = 0
        self._unended = [
            _Transaction(number, choice.randint(*_DEEDS), self._eagerness())
            for number in range(1, choice.randint(*_TRANSACTIONS) + 1)
        ]

    def _eagerness(self) -> float:
        """Return how readily a transaction goes on: a slow one stays open, or prepared, while others come and go."""
        return _SLOW if self._choice.random() < _SHARE_OF_SLOW else 1.0

    def steps(self) -> Iterator[Step]:
        """Yield steps until every transaction has ended."""
        while self._unended:
            crowded = sum(transaction.state is Action.BEGIN for transaction in self._unended) == _OPEN_AT_ONCE
            able = [transaction for transaction in self._unended if transaction.state or not crowded]
            [transaction] = self._choice.choices(able, [transaction.eagerness for transaction in able])
            if transaction.state is None:
                transaction.state = Action.BEGIN
                yield Step(Action.BEGIN, transaction.number)
            elif transaction.state is Action.PREPARE or transaction.events == 0:
                yield self._end(transaction)
            else:
                transaction.events -= 1
                yield from self._deed(transaction)

    def _end(self, transaction: _Transaction) -> Step:
        if transaction.state is Action.PREPARE:
            weights = {Action.COMMIT_PREPARED: 4, Action.ROLLBACK_PREPARED: 1}
        else:
            weights = {Action.COMMIT: 12, Action.PREPARE: 5, Action.ROLLBACK: 3}
        [end] = self._choice.choices(list(weights), list(weights.values()))
        transaction.state = end
        if end is Action.PREPARE:
            transaction.eagerness = self._eagerness()
        else:
            self._unended.remove(transaction)
        if end in COMMITS:
            self._exists |= transaction.held
        return Step(end, transaction.number)

    def _deed(self, transaction: _Transaction) -> Iterator[Step]:
        savepoints = transaction.savepoints
        kind = self._choice.choices(
            (Action.UPDATE, Action.SAVEPOINT, Action.ROLLBACK_TO, Action.RELEASE),
            (8, 2, 2 if savepoints else 0, 1 if savepoints else 0),
        )[0]
        if kind is Action.UPDATE:
            yield from self._change(transaction)
            return
        if kind is Action.SAVEPOINT:
            self._named += 1
            savepoints.append((f"s{self._named}", dict(transaction.held)))
            yield Step(kind, transaction.number, savepoint=f"s{self._named}")
            return
        place = self._choice.randrange(len(savepoints))
        name, held = savepoints[place]
        if kind is Action.ROLLBACK_TO:
            transaction.held = dict(held)
            del savepoints[place + 1 :]
        else:
            del savepoints[place:]
        yield Step(kind, transaction.number, savepoint=name)

    def _change(self, transaction: _Transaction) -> Iterator[Step]:
        """Write or lock a row that no other transaction holds, where there is one."""
        held_by_others = {row for other in self._unended if other is not transaction for row in other.held}
        free = [row for row in self._exists if row not in held_by_others]
        if not free:
            return
        row = self._choice.choice(free)
        exists = {**self._exists, **transaction.held}
        action, target = self._action(exists[row]), None
        others = [other for other in free if other.table == row.table and not exists[other]]
        if action is Action.UPDATE and others and self._choice.random() < _SHARE_OF_KEY_CHANGES:
            action, target = Action.CHANGE_KEY, self._choice.choice(others)
            transaction.held[target] = True
        transaction.held[row] = action not in {Action.DELETE, Action.CHANGE_KEY}
        self._marks += 1
        stamp = None
        if action in {Action.UPDATE, Action.CHANGE_KEY, Action.DEEP_UPDATE}:
            stamp = self._choice.choice(list(Stamp))
        elif action is Action.INSERT:
            stamp = self._choice.choice((Stamp.START, Stamp.CLOCK))
        yield Step(action, transaction.number, row, stamp, self._marks, target=target)

    def _action(self, exists: bool) -> Action:
        if not exists:
            return Action.INSERT
        if self._choice.random() < _SHARE_OF_DEEP:
            return Action.DEEP_UPDATE
        kinds = (Action.UPDATE, Action.LOCK, Action.DELETE)
        return self._choice.choices(kinds, (16, 1, 7))[0]

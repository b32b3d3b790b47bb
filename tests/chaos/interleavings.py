"""The proof of late commits: concurrent transactions of every kind, and an ingest that loses and doubles no version.

Hundreds of generated interleavings are woven into one sequence of steps on as many connections, and the real ingest
stage runs in the midst of them, several times: transactions are open, prepared, and commit while it reads. What it
lands is held against the source's own audit trail. The same moments are read by `last_updated > watermark`, too.
"""

import random
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, fields

import psycopg

from tests.chaos.audit import Moment, Trail, Values
from tests.chaos.audited_world import Version, World, world
from tests.chaos.schedules import Action, Interleaving, Row, Stamp, Step, generate, owner
from tests.chaos.sessions import DEPTH, Sessions
from totelake import boundaries
from totelake.batches import IngestedBatch
from totelake.tables import SOURCE_TABLES

__all__ = ["LateCommits", "LateCommitsError", "prove", "world"]

TOGETHER = 400
BATCHES = 4
_TABLES = 3
_SHARE_WHILE_READ = 0.3


@dataclass(frozen=True, slots=True)
class LateCommits:
    """What the proof went through, and what came out of it.

    `late` transactions changed something before a batch and committed it after that; the changes of `forgotten` left
    `last_updated` as it was. `versions` had to land, `deletions` of them as tombstones; `watermark_lost` of the others
    do not come by `last_updated > watermark`, and so many of the interleavings are `watermark_losers`.
    """

    interleavings: int
    transactions: int
    savepoints: int
    prepared: int
    late: int
    rollbacks: int
    forgotten: int
    batches: int
    versions: int
    deletions: int
    lost: int
    doubled: int
    watermark_lost: int
    watermark_losers: int
    seconds: float

    def __str__(self) -> str:
        """Tell it in three lines."""
        return (
            f"{self.interleavings:,} interleavings: {self.transactions:,} transactions ({self.prepared:,} prepared,"
            f" {self.late:,} committed after a batch that had passed their changes), {self.savepoints:,} savepoints,"
            f" {self.rollbacks:,} rollbacks, {self.forgotten:,} changes without a new last_updated\n"
            f"{self.batches:,} batches, {self.versions:,} versions due ({self.deletions:,} of them deletions):"
            f" {self.lost:,} lost, {self.doubled:,} doubled, in {self.seconds:,.0f} s\n"
            f"last_updated > watermark, at the same moments: {self.watermark_lost:,} versions lost,"
            f" in {self.watermark_losers:,} interleavings"
        )


class LateCommitsError(AssertionError):
    """A batch is not what had become visible; the message has the schedule of an interleaving that shows it."""

    def __init__(self, seed: int, group: list[Interleaving], batch: int, lost: list[Version], doubled: list[Version]):
        """Tell what the batch number `batch` among the interleavings of `group` has lost and doubled."""
        self.seed, self.batch, self.lost, self.doubled = seed, batch, lost, doubled
        wrong = [("lost", version) for version in lost] + [("doubled", version) for version in doubled]
        first = owner(wrong[0][1].row)
        lines = [f"seed {seed}, interleavings {group[0].number} to {group[-1].number}, batch {batch}:"]
        lines.append(f"{len(lost)} versions lost, {len(doubled)} doubled")
        lines += [f"{what}: {version}" for what, version in wrong if owner(version.row) == first]
        for interleaving in group:
            if interleaving.number == first:
                lines += [f"interleaving {first}, again by prove(…, seed={seed}, only={first}):", str(interleaving)]
        super().__init__("\n".join(lines))


def prove(
    world: World,
    count: int = 10_000,
    seed: int = 1,
    progress: Callable[[LateCommits], None] = lambda _: None,
    *,
    only: int | None = None,
) -> LateCommits:
    """Run at least `count` interleavings of `seed` through the ingest of `world`, and return the figures.

    None of them may have run in `world` before. `progress` gets the figures after each group that is woven together.
    `only` is the number of an interleaving: nothing but its group is run, as who it is woven with is a part of it.
    Raises `LateCommitsError` at the first batch that lacks a version or has one too many.
    """
    proof = _Proof(world, seed)
    world.ingest()
    groups = range(-(-count // TOGETHER)) if only is None else [only // TOGETHER]
    with psycopg.connect(world.url, autocommit=True) as auditor, Sessions(world.url) as sessions:
        for number in groups:
            choice = random.Random(f"{seed}/group {number}")
            tables = choice.sample(sorted(SOURCE_TABLES), _TABLES)
            members = range(number * TOGETHER, (number + 1) * TOGETHER)
            group = [generate(seed, member, tables, BATCHES) for member in members]
            proof.run(group, Trail(auditor, tables), sessions, choice)
            progress(proof.figures())
    return proof.figures()


class _Proof:
    """A proof as far as it has come."""

    def __init__(self, world: World, seed: int) -> None:
        self._world = world
        self._seed = seed
        self._began = time.monotonic()
        self._tally: Counter[str] = Counter()
        self._losers: set[int | None] = set()
        self._alive: dict[Row, Values] = {}

    def figures(self) -> LateCommits:
        """Return the figures so far."""
        tally = self._tally | Counter(watermark_losers=len(self._losers))
        counted = {field.name: tally[field.name] for field in fields(LateCommits) if field.type is int}
        return LateCommits(**counted, seconds=time.monotonic() - self._began)

    def run(self, group: list[Interleaving], trail: Trail, sessions: Sessions, choice: random.Random) -> None:
        """Weave the interleavings of `group`, and hold each batch against `trail`; another one finds nothing more."""
        weave = [_woven(group, part, choice) for part in range(BATCHES)]
        for part, steps in enumerate(weave):
            _do(sessions, steps)
            following = weave[part + 1] if part + 1 < BATCHES else []
            while_read = following[: int(len(following) * _SHARE_WHILE_READ)]
            del following[: len(while_read)]
            moment, batch = self._ingest(trail, sessions, while_read)
            expected = self._expected(moment)
            self._count_watermark(moment)
            self._hold_against(group, part + 1, expected, batch)
        self._hold_against(group, BATCHES + 1, [], self._world.ingest())
        self._count(group)

    def _ingest(
        self, trail: Trail, sessions: Sessions, while_read: list[tuple[int, Step]]
    ) -> tuple[Moment, IngestedBatch | None]:
        """Ingest once, and return the moment of the snapshot; the steps `while_read` are done before it is read."""
        moments: list[Moment] = []

        def reached(boundary: str) -> None:
            if boundary == boundaries.SNAPSHOT_EXPORTED:
                moments.append(trail.moment())
                _do(sessions, while_read)

        with boundaries.watched(reached):
            batch = self._world.ingest()
        [moment] = moments
        if batch:
            assert (batch.snapshot.xmin, batch.snapshot.xmax) == (moment.xmin, moment.xmax), "not the batch's moment"
        self._tally["batches"] += 1
        return moment, batch

    def _expected(self, moment: Moment) -> list[Version]:
        """Return what has to land: each changed row as it is, or once more as it landed last, if it is gone."""
        expected = []
        for row, values in moment.changed.items():
            if values is not None:
                self._alive[row] = values
                expected.append(Version(row, "U", values))
            elif row in self._alive:
                expected.append(Version(row, "D", self._alive.pop(row)))
                self._tally["deletions"] += 1
        return expected

    def _hold_against(
        self, group: list[Interleaving], number: int, expected: list[Version], batch: IngestedBatch | None
    ) -> None:
        """Compare a batch, by its number among the steps of `group`, with what is expected of it."""
        due, landed = Counter(expected), Counter(self._world.landed(batch))
        lost, doubled = list((due - landed).elements()), list((landed - due).elements())
        self._tally.update(versions=len(expected), lost=len(lost), doubled=len(doubled))
        if lost or doubled:
            raise LateCommitsError(self._seed, group, number, lost, doubled)

    def _count_watermark(self, moment: Moment) -> None:
        lost = [row for row, values in moment.changed.items() if values is not None and row not in moment.newer]
        self._tally["watermark_lost"] += len(lost)
        self._losers.update(map(owner, lost))

    def _count(self, group: list[Interleaving]) -> None:
        steps = [step for interleaving in group for step in interleaving.steps]
        done = Counter(step.action for step in steps)
        self._tally.update(
            interleavings=len(group),
            transactions=done[Action.BEGIN],
            savepoints=done[Action.SAVEPOINT] + DEPTH * done[Action.DEEP_UPDATE],
            prepared=done[Action.PREPARE],
            late=sum(len(interleaving.late) for interleaving in group),
            rollbacks=done[Action.ROLLBACK] + done[Action.ROLLBACK_TO] + done[Action.ROLLBACK_PREPARED],
            forgotten=sum(step.stamp is Stamp.FORGOTTEN for step in steps),
        )


def _woven(group: list[Interleaving], part: int, choice: random.Random) -> list[tuple[int, Step]]:
    """Return the steps before the batch `part` of all interleavings, each one's in their order, all else by chance."""
    steps = {interleaving.number: iter(_parts(interleaving)[part]) for interleaving in group}
    order = [interleaving.number for interleaving in group for _ in _parts(interleaving)[part]]
    choice.shuffle(order)
    return [(number, next(steps[number])) for number in order]


def _parts(interleaving: Interleaving) -> list[list[Step]]:
    """Return the steps before the first batch, those before the second one, and so on."""
    parts: list[list[Step]] = [[]]
    for step in interleaving.steps:
        if step.action is Action.BATCH:
            parts.append([])
        else:
            parts[-1].append(step)
    return parts[:-1]


def _do(sessions: Sessions, steps: list[tuple[int, Step]]) -> None:
    for number, step in steps:
        sessions.do(number, step)

"""The proof of late commits on a few hundred interleavings, and that it would tell if it failed."""

from collections.abc import Iterator

import pytest
from pyspark.sql import SparkSession

from tests.chaos.audited_world import Version, World, world
from tests.chaos.interleavings import BATCHES, TOGETHER, LateCommitsError, prove
from tests.chaos.schedules import CHANGES, COMMITS, Action, Interleaving, Row, generate, owner
from tests.lakes import few_rows
from totelake.lake.batches import IngestedBatch

TABLES = ["department", "payment", "sales_order"]


@pytest.fixture(scope="module")
def audited(spark: SparkSession) -> Iterator[World]:
    """Make one world for all tests of this module, each of which takes a group of interleavings of its own."""
    with few_rows(spark), world(spark) as made:
        yield made


def test_no_version_is_lost_or_doubled_and_a_watermark_loses_many(audited):
    """The first group; every kind of step is among it."""
    figures = prove(audited, TOGETHER)

    # One more batch sees the restructured table as it was at the beginning.
    assert (figures.interleavings, figures.batches, figures.lost, figures.doubled) == (TOGETHER, BATCHES + 1, 0, 0)
    assert figures.events["shut out while a batch read"] == BATCHES
    assert figures.compared > 0
    assert figures.key_changes > TOGETHER / 8
    assert figures.versions > TOGETHER
    assert figures.deletions > TOGETHER / 8
    assert min(figures.savepoints, figures.prepared, figures.late, figures.rollbacks, figures.forgotten) > TOGETHER / 4
    assert figures.versions > figures.watermark_lost > TOGETHER / 2
    assert TOGETHER > figures.watermark_losers > TOGETHER / 4


class _WrongWorld(World):
    """A lake that lacks a batch's first version, has another value in the second one, and has the last one twice."""

    def landed(self, batch: IngestedBatch | None) -> list[Version]:
        """Return what the batch really brought, made wrong."""
        # Those of the interleavings come first, those of the restructured table last.
        _, altered, *others = sorted(super().landed(batch), key=lambda version: owner(version.row) is None)
        return [altered._replace(values=(*altered.values[:-1], None)), *others, others[-1]]


def test_a_wrong_batch_is_told_with_the_schedule_that_shows_it(audited):
    """The message says how the interleaving's group is run again."""
    wrong = _WrongWorld(audited.url, audited.reader, audited.lake)

    with pytest.raises(LateCommitsError) as told:
        prove(wrong, seed=7, only=TOGETHER)

    assert (told.value.batch, len(told.value.lost), len(told.value.doubled)) == (1, 2, 2)
    message = str(told.value)
    assert f"seed 7, interleavings {TOGETHER} to {2 * TOGETHER - 1}, batch 1:\n2 versions lost, 2 doubled" in message
    assert f"\nlost: {told.value.lost[0]}\n" in message
    assert "again by prove(…, seed=7, only=" in message
    assert message.endswith(f"batch {BATCHES}")


def test_an_interleaving_is_its_seed_and_its_number():
    """The same steps each time, and others for others."""
    first, again, other, next_seed = (
        str(generate(seed, number, TABLES, BATCHES)) for seed, number in [(1, 5), (1, 5), (1, 6), (2, 5)]
    )

    assert first == again
    assert len({first, other, next_seed}) == 3


def test_transactions_stay_open_and_prepared_over_batches():
    """And some of them over two."""
    open_for = [span for schedule in _schedules() for span in _batches_between(schedule, Action.BEGIN)]
    prepared_for = [span for schedule in _schedules() for span in _batches_between(schedule, Action.PREPARE)]

    assert sum(span >= 2 for span in open_for) > len(open_for) / 4
    assert sum(span >= 1 for span in prepared_for) > len(prepared_for) / 5
    assert max(prepared_for) >= 2


def test_an_older_transaction_writes_over_a_younger_one():
    """The one that changed something first, and so has the lower id, comes to the row last."""
    assert sum(_overwritten_by_elders(schedule) for schedule in _schedules()) > 50


def _schedules() -> list[Interleaving]:
    return [generate(1, number, TABLES, BATCHES) for number in range(500)]


def _batches_between(schedule: Interleaving, action: Action) -> list[int]:
    """Count, for each committed transaction, the batches between its step `action` and its commit."""
    batches, since, found = 0, {}, []
    for step in schedule.steps:
        if step.action is Action.BATCH:
            batches += 1
        elif step.action is action:
            since[step.transaction] = batches
        elif step.action in COMMITS and step.transaction in since:
            found.append(batches - since[step.transaction])
    return found


def _overwritten_by_elders(schedule: Interleaving) -> int:
    first_change: dict[int, int] = {}
    writers: dict[Row, int] = {}
    committed: set[int] = set()
    overwritten = 0
    for place, step in enumerate(schedule.steps):
        if step.action in CHANGES:
            first_change.setdefault(step.transaction, place)
            before = writers.get(step.row)
            younger = before in committed and first_change[before] > first_change[step.transaction]
            overwritten += younger
            writers[step.row] = step.transaction
        elif step.action in COMMITS:
            committed.add(step.transaction)
    return overwritten

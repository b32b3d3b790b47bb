"""The proof for late commits on a few hundred interleavings, and its failure on a wrong batch."""

from collections.abc import Iterator

import pytest
from pyspark.sql import SparkSession

from tests.chaos.audited_pipeline import AuditedPipeline, RowVersion, audited_pipeline
from tests.chaos.interleavings import BATCHES, TOGETHER, LateCommitsError, prove
from tests.chaos.schedules import CHANGES, COMMITS, Interleaving, RowId, StepKind, generate, owner
from tests.lakes import few_rows
from totelake.lake.batches import IngestedBatch

TABLES = ["department", "payment", "sales_order"]


@pytest.fixture(scope="module")
def audited(spark: SparkSession) -> Iterator[AuditedPipeline]:
    """Return one audited pipeline for the module; each test uses its own group of interleavings."""
    with few_rows(spark), audited_pipeline(spark) as pipeline:
        yield pipeline


def test_ingest_loses_no_version_and_a_watermark_loses_many(audited):
    """The first group has every kind of step."""
    figures = prove(audited, TOGETHER)

    # One more batch reads the restructured table in its original state.
    assert (figures.interleavings, figures.batches, figures.lost, figures.duplicated) == (TOGETHER, BATCHES + 1, 0, 0)
    assert figures.events["blocked while a batch was read"] == BATCHES
    assert figures.compared > 0
    assert figures.key_changes > TOGETHER / 8
    assert figures.versions > TOGETHER
    assert figures.deletions > TOGETHER / 8
    assert min(figures.savepoints, figures.prepared, figures.late, figures.rollbacks, figures.forgotten) > TOGETHER / 4
    assert figures.versions > figures.watermark_lost > TOGETHER / 2
    assert TOGETHER > figures.watermark_losers > TOGETHER / 4


class _WrongPipeline(AuditedPipeline):
    """A lake that lacks a batch's first version, changes the second one, and duplicates the last one."""

    def ingested_versions(self, batch: IngestedBatch | None) -> list[RowVersion]:
        """Return the versions of the batch, falsified."""
        # Those of interleavings come first, those of the restructured table last.
        _, altered, *others = sorted(super().ingested_versions(batch), key=lambda version: owner(version.row) is None)
        return [altered._replace(values=(*altered.values[:-1], None)), *others, others[-1]]


def test_wrong_batch_is_reported_with_the_schedule_that_shows_it(audited):
    """The message says how to run the interleaving's group again."""
    wrong = _WrongPipeline(audited.url, audited.reader, audited.lake)

    with pytest.raises(LateCommitsError) as raised:
        prove(wrong, seed=7, only=TOGETHER)

    assert (raised.value.batch, len(raised.value.lost), len(raised.value.duplicated)) == (1, 2, 2)
    message = str(raised.value)
    assert f"seed 7, interleavings {TOGETHER} to {2 * TOGETHER - 1}, batch 1:\n2 versions lost, 2 duplicated" in message
    assert f"\nlost: {raised.value.lost[0]}\n" in message
    assert "replay with prove(…, seed=7, only=" in message
    assert message.endswith(f"batch {BATCHES}")


def test_interleaving_is_determined_by_its_seed_and_number():
    """The same steps each time, other steps for another seed or number."""
    first, again, other, next_seed = (
        str(generate(seed, number, TABLES, BATCHES)) for seed, number in [(1, 5), (1, 5), (1, 6), (2, 5)]
    )

    assert first == again
    assert len({first, other, next_seed}) == 3


def test_transactions_stay_open_and_prepared_over_batches():
    """Some of them over two batches."""
    open_for = [span for schedule in _schedules() for span in _batches_between(schedule, StepKind.BEGIN)]
    prepared_for = [span for schedule in _schedules() for span in _batches_between(schedule, StepKind.PREPARE)]

    assert sum(span >= 2 for span in open_for) > len(open_for) / 4
    assert sum(span >= 1 for span in prepared_for) > len(prepared_for) / 5
    assert max(prepared_for) >= 2


def test_older_transaction_overwrites_a_newer_one():
    """The one with the lower id writes the row last."""
    assert sum(_overwritten_by_older_ones(schedule) for schedule in _schedules()) > 50


def _schedules() -> list[Interleaving]:
    return [generate(1, number, TABLES, BATCHES) for number in range(500)]


def _batches_between(schedule: Interleaving, action: StepKind) -> list[int]:
    """Return, for each committed transaction, the number of batches between its step `action` and its commit."""
    batches, since, spans = 0, {}, []
    for step in schedule.steps:
        if step.action is StepKind.BATCH:
            batches += 1
        elif step.action is action:
            since[step.transaction] = batches
        elif step.action in COMMITS and step.transaction in since:
            spans.append(batches - since[step.transaction])
    return spans


def _overwritten_by_older_ones(schedule: Interleaving) -> int:
    first_change: dict[int, int] = {}
    writers: dict[RowId, int] = {}
    committed: set[int] = set()
    overwritten = 0
    for place, step in enumerate(schedule.steps):
        if step.action in CHANGES:
            first_change.setdefault(step.transaction, place)
            before = writers.get(step.row)
            is_newer = before in committed and first_change[before] > first_change[step.transaction]
            overwritten += is_newer
            writers[step.row] = step.transaction
        elif step.action in COMMITS:
            committed.add(step.transaction)
    return overwritten

"""The live files of a zone, and which of them a compaction merges."""

import json
from dataclasses import asdict

import pytest

from totelake.compact.plan import mergeable
from totelake.lake.file_sets import DataFile, FileSet, LiveFiles


def files(first, rows=1, *, last=None, **values):
    """Return a file set of the batches `first` to `last`."""
    end = last or first
    return FileSet(f"tables/payment/batch_id={first}-{end}/", rows, 10, first, end, **values)


def test_sets_are_replaced_only_while_they_are_live():
    """In their place; by a compaction that comes second not at all."""
    live = LiveFiles(4, {"payment": (files(1), files(2), files(3), files(4))})
    merged = files(2, 2, last=3, compacted=True)

    replaced = live.replacing("payment", (files(2), files(3)), merged)

    assert replaced.of("payment") == (files(1), merged, files(4))
    assert replaced.replacing("payment", (files(2), files(3)), merged) is None
    assert replaced.replacing("payment", (files(1), files(4)), merged) is None
    assert LiveFiles().replacing("payment", (files(2),), merged) is None


def test_sets_come_back_from_their_json():
    """As they were, with tuples."""
    whole = files(1, months=("2024-01",), undeclared=("extra",), files=(DataFile("a.parquet", 10, "e"),))

    assert FileSet.from_json(json.loads(json.dumps(asdict(whole)))) == whole


@pytest.mark.parametrize(
    ("rows", "merged"),
    [
        ((100, 10, 10, 10, 1), [4]),
        ((200, 10, 10, 10, 1), [3]),
        ((100, 30, 1, 1, 1), [2]),
        ((100, 1, 1), []),
        ((100, 1), []),
        ((), []),
        ((100, 25, 1), [2]),
        ((101, 25, 1), []),
        ((4, 1, 1, 1, 1, 1, 1), [6]),
    ],
)
def test_newest_sets_are_merged_until_an_older_one_is_much_larger(rows, merged):
    """More than four times their rows; the last batch is left alone."""
    sets = [files(number, count) for number, count in enumerate(rows, 1)]

    assert [len(group) for group in mergeable(sets, len(rows))] == merged


def test_number_of_sets_grows_with_the_logarithm_of_the_batches():
    """A compaction after every eighth batch of the same size."""
    sets, most, written = [], 0, 0
    for number in range(1, 4_097):
        sets.append(files(number))
        if number % 8 == 0:
            for group in mergeable(sets, number):
                by = files(group[0].first, sum(each.rows for each in group), last=group[-1].last, compacted=True)
                start = sets.index(group[0])
                sets[start : start + len(group)] = [by]
                written += by.rows
            most = max(most, len(sets))

    assert most <= 8
    assert written < 25 * 4_096


def test_files_of_other_formats_are_not_merged():
    """Columns as text, and batches whose keys were not checked."""
    as_text, unchecked = {"undeclared": ("extra",)}, {"keys_checked": False}
    sets = [files(1, **unchecked), files(2, **unchecked), files(3), files(4), files(5, **as_text), files(6, **as_text)]

    assert mergeable(sets, 7) == [(files(3), files(4)), (files(5, **as_text), files(6, **as_text))]

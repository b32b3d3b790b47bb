"""The choice of the file sets to merge.

After a compaction each set of a table has more than `RATIO` times as many rows as all newer ones together. So their
number grows with the logarithm of the rows, and a row is written again only as often.
"""

from collections.abc import Sequence
from itertools import groupby

from totelake.lake.file_sets import FileSet

RATIO = 4


def mergeable(sets: Sequence[FileSet], last: int) -> list[tuple[FileSet, ...]]:
    """Return the groups of consecutive `sets` of a table to be merged, none with the commit record `last`.

    The run that committed `last` may still be registering its partitions. Sets whose files have other columns as text,
    or whose keys were not checked, are not merged with others.
    """
    complete = [files for files in sets if files.last < last]
    alike = [list(group) for _, group in groupby(complete, lambda files: (files.undeclared, files.keys_checked))]
    groups = (_newest(group) for group in alike if group[0].keys_checked)
    return [group for group in groups if len(group) > 1]


def _newest(sets: Sequence[FileSet]) -> tuple[FileSet, ...]:
    """Return those at the end of `sets` that have to be merged with the ones after them."""
    first, rows = len(sets), 0
    while first and (not rows or sets[first - 1].rows <= RATIO * rows):
        first -= 1
        rows += sets[first].rows
    return tuple(sets[first:])

"""Reads and checks the checkpoints of a zone: each is derived again from the one before it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby

from totelake.lake import checkpoints
from totelake.lake.checkpoints import NOTHING, Checkpoint
from totelake.lake.file_sets import NOT_A_RECORD, FileSet, LiveFiles
from totelake.verify.findings import Kind
from totelake.verify.known_sets import KnownSets, compacted_by
from totelake.verify.records import Record
from totelake.verify.zone_objects import Show, ZoneObjects, in_threads


@dataclass(frozen=True, slots=True)
class ReadCheckpoints:
    """The `number` of checkpoints that can be read, and the live files that the newest of them should have.

    `is_newest` is False when an unreadable one is newer.
    """

    number: int
    live: LiveFiles
    is_newest: bool


def read(zone: ZoneObjects, records: Mapping[int, Record], known: KnownSets, show: Show) -> ReadCheckpoints:
    """Read the checkpoints, and report what is wrong with them; the file sets of all are added to `known`."""
    numbers = zone.numbers(checkpoints.PREFIX, checkpoints.key)
    unreadable: dict[int, str] = {}
    previous: LiveFiles | None = NOTHING.files
    live, newest, number_read = NOTHING.files, 0, 0
    for number, checkpoint in in_threads(lambda number: _checkpoint(zone, number), numbers):
        if isinstance(checkpoint, str):
            unreadable[number] = checkpoint
            continue
        if number != newest + 1:
            previous = None
        previous = live = _checked(zone, checkpoint, previous, records)
        known.add_checkpoint(checkpoint, live)
        newest, number_read = number, number_read + 1
        show(f"{number:,}/{numbers[-1]:,}")
    _report_gaps(zone, numbers)
    for number, reason in unreadable.items():
        _report_unreadable(zone, number, reason, is_newest=number > newest)
    return ReadCheckpoints(number_read, live, is_newest=max(unreadable, default=0) < max(newest, 1))


def _checkpoint(zone: ZoneObjects, number: int) -> Checkpoint | str:
    try:
        checkpoint = Checkpoint.from_json(zone.json(checkpoints.key(number)))
    except NOT_A_RECORD as error:
        return f"{type(error).__name__}: {error}"
    return checkpoint if checkpoint.number == number else f"its number is {checkpoint.number}"


def _checked(
    zone: ZoneObjects, checkpoint: Checkpoint, previous: LiveFiles | None, records: Mapping[int, Record]
) -> LiveFiles:
    """Return the files that `checkpoint` should have; report it if they are not those that it has.

    `previous` are the files of the checkpoint before, None if that one cannot be read. Then it is compared with the
    records. If one of those is missing too, its files are taken as they are.
    """
    before = previous or LiveFiles()
    between = range(before.sequence + 1, checkpoint.files.sequence + 1)
    if not all(sequence in records for sequence in between):
        return checkpoint.files
    expected = before.after(records[sequence] for sequence in between)
    if previous is None:
        problems = list(_not_covered(expected, checkpoint.files))
        files = checkpoint.files
    else:
        files, problems = _compacted(expected, checkpoint)
        problems += _different(files, checkpoint.files)
        if files.sequence > checkpoint.files.sequence:
            problems.append(f"it is of commit record {checkpoint.files.sequence}, the one before of {files.sequence}")
    if problems:
        text = (
            f"Its live files are not those of the records and of the checkpoint before it: {'; '.join(problems)}. "
            f"Readers that start with it read wrong rows. {_way_out(zone, checkpoint.number)} Or delete it: readers "
            f"use another one, and the records."
        )
        zone.report(Kind.CHECKPOINT_WRONG, checkpoints.key(checkpoint.number), text, number=checkpoint.number)
    return files


def _compacted(files: LiveFiles, checkpoint: Checkpoint) -> tuple[LiveFiles, list[str]]:
    """Return `files` with the replacements of the compaction of `checkpoint`, and what is wrong with these."""
    problems = []
    for table, sets in checkpoint.replaced.items():
        by = compacted_by(checkpoint, table)
        replaced = files.replacing(table, sets, by) if by else None
        if by is None or replaced is None:
            problems.append(f"{table}: the replaced file sets were not live")
            continue
        files = replaced
        if (rows := sum(each.rows for each in sets)) != by.rows:
            problems.append(f"{table}: the merged files have {by.rows} rows, those that they replaced {rows}")
        if (by.first, by.last) != (sets[0].first, sets[-1].last):
            problems.append(f"{table}: the merged files are of the batches {by.first} to {by.last}, those that they "
                            f"replaced of {sets[0].first} to {sets[-1].last}")  # fmt: skip
    return files, problems


def _different(expected: LiveFiles, actual: LiveFiles) -> Iterator[str]:
    """Yield how the file sets of each table differ from the expected ones."""
    for table in sorted({*expected.tables, *actual.tables}):
        if expected.of(table) != actual.of(table):
            lacks = [files.path for files in expected.of(table) if files not in actual.of(table)]
            has = [files.path for files in actual.of(table) if files not in expected.of(table)]
            texts = [f"{word} {paths[0]}" for word, paths in (("lacks", lacks), ("has", has)) if paths]
            yield f"{table} {' and '.join(texts) or 'has another order'}"


def _not_covered(records: LiveFiles, actual: LiveFiles) -> Iterator[str]:
    """Yield the tables whose sets have other batches, or other rows, than the sets of `records`.

    A compacted set has to have the rows of all sets of its batches.
    """
    for table in sorted({*records.tables, *actual.tables}):
        ranges = [(files.first, files.last) for files in actual.of(table) if files.compacted]

        def compacted_range(files: FileSet, ranges: list[tuple[int, int]] = ranges) -> tuple[int, int]:
            containing = (each for each in ranges if each[0] <= files.first and files.last <= each[1])
            return next(containing, (files.first, files.last))

        expected = [(*each, _rows(sets)) for each, sets in groupby(records.of(table), compacted_range)]
        actual_rows = [(*each, _rows(sets)) for each, sets in groupby(actual.of(table), _range)]
        if expected != actual_rows:
            yield f"{table} has other batches or rows"


def _range(files: FileSet) -> tuple[int, int]:
    return files.first, files.last


def _rows(sets: Iterator[FileSet]) -> int:
    return sum(files.rows for files in sets)


def _report_gaps(zone: ZoneObjects, numbers: list[int]) -> None:
    for number in sorted(set(range(1, max(numbers, default=0))) - set(numbers)):
        way_out = _way_out(zone, number, is_present=False)
        text = f"The checkpoint is gone. Nothing is lost: readers start with a newer one. {way_out}"
        zone.report(Kind.CHECKPOINT_MISSING, checkpoints.key(number), text, number=number, is_fault=False)


def _report_unreadable(zone: ZoneObjects, number: int, reason: str, *, is_newest: bool) -> None:
    used = (
        "readers use the one before it, and the next one replaces it" if is_newest else "readers start with a newer one"
    )
    text = f"Not a checkpoint ({reason}). Nothing is lost, it can be ignored: {used}. {_way_out(zone, number)}"
    zone.report(Kind.CHECKPOINT_UNREADABLE, checkpoints.key(number), text, number=number, is_fault=is_newest)


def _way_out(zone: ZoneObjects, number: int, *, is_present: bool = True) -> str:
    return zone.versions.record(checkpoints.key(number), is_present=is_present) or "No other version of it is stored."

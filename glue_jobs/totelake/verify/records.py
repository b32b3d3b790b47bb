"""Reads and checks the commit records of a zone."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from totelake.lake.batches import IngestedBatch, ProcessedBatch, QuarantinedRows
from totelake.lake.commit_log import PREFIX, key
from totelake.lake.file_sets import NOT_A_RECORD, FileSet
from totelake.verify.findings import Kind
from totelake.verify.zone_objects import Show, ZoneObjects, in_threads


@dataclass(frozen=True, slots=True)
class Record:
    """What the check needs of a commit record; a processed batch covers the `ingested` sequences, first and last."""

    sequence: int
    is_full_refresh: bool
    file_sets: Mapping[str, tuple[FileSet, ...]]
    committed_at: str
    ingested: tuple[int, int] | None
    held: Mapping[str, QuarantinedRows]

    @classmethod
    def of(cls, batch: IngestedBatch | ProcessedBatch) -> Self:
        """Return what is needed of `batch`."""
        processed = batch if isinstance(batch, ProcessedBatch) else None
        return cls(
            batch.sequence,
            batch.is_full_refresh and batch.sequence > 1,
            batch.file_sets,
            batch.committed_at,
            (processed.first_ingested, processed.last_ingested) if processed else None,
            processed.held if processed else {},
        )


def read(zone: ZoneObjects, batch: type[IngestedBatch | ProcessedBatch], show: Show) -> tuple[dict[int, Record], int]:
    """Return the readable commit records by sequence, and the last sequence; report what is wrong with the records."""
    sequences = zone.numbers(PREFIX, key)
    records: dict[int, Record] = {}

    def record(sequence: int) -> Record | str:
        try:
            read = Record.of(batch.from_json(zone.json(key(sequence))))
        except NOT_A_RECORD as error:
            return f"{type(error).__name__}: {error}"
        return read if read.sequence == sequence else f"its sequence is {read.sequence}"

    for sequence, read in in_threads(record, sequences):
        if isinstance(read, Record):
            records[sequence] = read
            _check(zone, read, records.get(sequence - 1))
        else:
            _report_unreadable(zone, sequence, read)
        show(f"{sequence:,}/{sequences[-1]:,}")
    return records, max(sequences, default=0)


def report_missing(zone: ZoneObjects, sequences: range, records: Mapping[int, Record]) -> None:
    """Report those of `sequences` that are not in `records`, unless they have been reported as unreadable."""
    reported = {finding.number for finding in zone.findings if finding.kind is Kind.RECORD_UNREADABLE}
    for sequence in sequences:
        if sequence not in records and sequence not in reported:
            way_out = zone.versions.record(key(sequence), is_present=False) or _WITHOUT_VERSION
            text = f"The commit record is gone: runs stop, and readers lack the rows of its batch. {way_out}"
            zone.report(Kind.RECORD_MISSING, key(sequence), text, number=sequence)


_WITHOUT_VERSION = "No version of it is stored: restore it from a backup."


def _report_unreadable(zone: ZoneObjects, sequence: int, reason: str) -> None:
    way_out = zone.versions.record(key(sequence), is_present=True) or _WITHOUT_VERSION
    text = f"Not a commit record ({reason}): runs stop, and readers lack the rows of its batch. {way_out}"
    zone.report(Kind.RECORD_UNREADABLE, key(sequence), text, number=sequence)


def _check(zone: ZoneObjects, record: Record, previous: Record | None) -> None:
    """Report what is inconsistent in `record`, or with the `previous` one."""
    problems = [
        f"the files of {table} have {sum(file.bytes for file in files.files)} bytes, not {files.bytes}"
        for table, sets in record.file_sets.items()
        for files in sets
        if files.files and sum(file.bytes for file in files.files) != files.bytes
    ]
    if record.ingested and previous and previous.ingested:
        expected = 1 if record.is_full_refresh else previous.ingested[1] + 1
        if record.ingested[0] != expected:
            problems.append(f"it starts with ingested batch {record.ingested[0]}, not {expected}")
    if problems:
        way_out = zone.versions.record(key(record.sequence), is_present=True) or _WITHOUT_VERSION
        text = f"The commit record was altered: {'; '.join(problems)}. {way_out}"
        zone.report(Kind.RECORD_INCONSISTENT, key(record.sequence), text, number=record.sequence)

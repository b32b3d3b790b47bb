"""The check of both zones."""

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

from totelake.lake import commit_log, zones
from totelake.lake.batches import IngestedBatch, ProcessedBatch
from totelake.lake.file_sets import LiveFiles
from totelake.lake.zones import Zone
from totelake.runtime.clients import Clients, s3_for_readers
from totelake.tables import SOURCE_TABLES, STAR_TABLES
from totelake.verify import chain, contents, partitions, records
from totelake.verify.files import TableFiles
from totelake.verify.findings import Kind, Report
from totelake.verify.known_sets import KnownSets
from totelake.verify.records import Record
from totelake.verify.zone_objects import Show, Step, ZoneObjects


@contextmanager
def _not_shown(_name: str) -> Iterator[Show]:
    yield lambda _detail: None


@dataclass(frozen=True, slots=True)
class LakeCheck:
    """The check of the buckets `ingested` and `processed`, with clients of `aws`.

    With `read`, all live files are read and decoded. `now` is the time in UTC: what is younger than an hour may be the
    work of a running job. `step` shows the progress.
    """

    ingested: str
    processed: str
    aws: Clients
    read: bool = False
    now: datetime = field(default_factory=lambda: datetime.now(UTC))
    step: Step = _not_shown

    def report(self) -> Report:
        """Return what is missing, altered or superfluous."""
        report = Report()
        # First the processed zone, whose records tell how many the ingested one has at least.
        processed = self._zone(zones.PROCESSED, self.processed)
        records = self._check(report, processed, ProcessedBatch, STAR_TABLES, 0)
        least = max((record.ingested[1] for record in records.values() if record.ingested), default=0)
        self._check(report, self._zone(zones.INGESTED, self.ingested), IngestedBatch, SOURCE_TABLES, least)
        return report

    def _zone(self, zone: Zone, bucket: str) -> ZoneObjects:
        return ZoneObjects(zone, bucket, s3_for_readers(self.aws), self.now)

    def _check(
        self,
        report: Report,
        zone: ZoneObjects,
        batch: type[IngestedBatch | ProcessedBatch],
        tables: Iterable[str],
        least: int,
    ) -> dict[int, Record]:
        """Add to `report` what is wrong with `zone`, which has committed `least` batches; return its records."""
        # The partitions first: what was registered then and is not live in the records will never be live again.
        registered = self._partitions(zone, tables)
        with self._step(zone, "Read the commit records") as show:
            committed, last = records.read(zone, batch, show)
        known = KnownSets()
        known.add_records(committed)
        with self._step(zone, "Read the checkpoints") as show:
            read = chain.read(zone, committed, known, show)
        last = max(last, least, read.live.sequence)
        while zone.versions.is_deleted(commit_log.key(last + 1)):
            last += 1
        records.report_missing(zone, range(1, last + 1), committed)
        after = range(read.live.sequence + 1, last + 1)
        live = read.live.after(committed[sequence] for sequence in after if sequence in committed)
        report.checked.update(records=len(committed), checkpoints=read.number)
        is_complete = read.is_newest and len(committed) == last
        damaged = self._check_files(report, zone, known, live, is_complete=is_complete)
        # Otherwise it is not known which files are live.
        if read.is_newest and all(sequence in committed for sequence in after):
            for table, values in registered.items():
                report.checked["partitions"] += len(values or ())
                partitions.check(zone, table, values, live, known)
        if last in committed:
            self._check_quarantine(report, zone, committed[last])
        if self.read:
            self._read(report, zone, live, damaged)
        report.findings += zone.findings
        return committed

    def _partitions(self, zone: ZoneObjects, tables: Iterable[str]) -> dict[str, list[list[str]] | None]:
        registered = {}
        with self._step(zone, "List the partitions") as show:
            for table in tables:
                show(table)
                registered[table] = partitions.registered(zone.zone, table, self.aws)
        return registered

    def _check_files(
        self, report: Report, zone: ZoneObjects, known: KnownSets, live: LiveFiles, *, is_complete: bool
    ) -> set[str]:
        """Compare the files of all tables; return the paths of the damaged file sets."""
        listed = zone.s3.list_objects_v2(Bucket=zone.bucket, Prefix="tables/", Delimiter="/")
        others = (item["Prefix"].split("/")[1] for item in listed.get("CommonPrefixes", []))
        damaged: set[str] = set()
        with self._step(zone, "Compare the files") as show:
            for table in sorted({*known.tables, *others}):
                show(table)
                number, paths = TableFiles(zone, table, known, live, is_complete).check()
                report.checked["files"] += number
                damaged |= paths
        return damaged

    def _check_quarantine(self, report: Report, zone: ZoneObjects, record: Record) -> None:
        """Check the files of the rows that are in quarantine after `record`."""
        for table, held in record.held.items():
            number = sum(1 for _ in zone.listed(held.path))
            report.checked["files"] += number
            if not number:
                text = f"The quarantine of {table} is gone. {contents.RESTORE_QUARANTINE}"
                zone.report(Kind.FILE_MISSING, held.path, text, table=table, number=record.sequence)
            elif self.read:
                contents.check_quarantine(zone, table, held, record.sequence, self.aws)

    def _read(self, report: Report, zone: ZoneObjects, live: LiveFiles, damaged: set[str]) -> None:
        """Read the live files except those of `damaged` sets."""
        with self._step(zone, "Read the files") as show:
            for table, sets in live.tables.items():
                intact = [files for files in sets if files.path not in damaged]
                total = report.checked["rows"]
                for rows in contents.check(zone, table, intact):
                    total += rows
                    show(f"{table}: {total:,} rows")
                report.checked["rows"] = total

    def _step(self, zone: ZoneObjects, name: str) -> AbstractContextManager[Show]:
        return self.step(f"{name} of the {zone.zone.name} zone")

"""How batches get into Redshift: COPY, merge and ledger, as one transaction that the Data API runs.

What is handed in runs to its end whatever becomes of the job. A job that is killed, or whose answer is lost, leaves a
transaction that commits whole or not at all, and whoever comes next meets its line in the ledger.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from psycopg import sql

from totelake.lake.batches import ProcessedBatch
from totelake.lake.commit_log import CommitLog
from totelake.runtime import failpoints
from totelake.runtime.errors import OrphanError, StagingError, StatementError, TotelakeError
from totelake.runtime.glue import JobRun
from totelake.tables import StarTable
from totelake.warehouse import ledger
from totelake.warehouse.contract import FilesByTable, OpenWarehouse
from totelake.warehouse.ledger import Entry
from totelake.warehouse.redshift import ledger as redshift_ledger
from totelake.warehouse.redshift import shape, transaction
from totelake.warehouse.redshift.data_api import BATCH, DataApi
from totelake.warehouse.redshift.files import CopyFiles
from totelake.warehouse.redshift.merge import staging
from totelake.warehouse.redshift.transaction import Purpose, Step


@dataclass(frozen=True, slots=True)
class Redshift:
    """A warehouse in Redshift Serverless.

    `copy_role` is the ARN of the role with which COPY reads S3, and `temporary` the job's `--TempDir`, into which the
    job writes what COPY is to read.
    """

    workgroup: str
    database: str
    secret: str = field(repr=False)
    copy_role: str
    temporary: str

    @property
    def place(self) -> str:
        """The workgroup and the database."""
        return self.api.place

    @property
    def api(self) -> DataApi:
        """The way to it."""
        return DataApi(self.workgroup, self.database, self.secret)

    @contextmanager
    def opened(self, run: JobRun, bucket: str) -> Iterator[OpenWarehouse]:
        """Make what the warehouse lacks; loads keep each other out in their transactions."""
        api = self.api
        shape.apply(api, rebuild=run.flag("rebuild"))
        yield _Load(run, bucket, self, api)


@dataclass(slots=True)
class _Load:
    """One run of the stage: the zone that it reads, and the last entry of the ledger that it knows of."""

    run: JobRun
    bucket: str
    warehouse: Redshift
    api: DataApi
    last: Entry | None = None

    def pending(self, log: CommitLog[ProcessedBatch]) -> list[ProcessedBatch]:
        """Return the batches of `log` that the ledger lacks, in order."""
        self.last = redshift_ledger.last_entry(self.api)
        self.last.check()
        return ledger.pending(self.last, log)

    def load(self, batches: list[ProcessedBatch], parts: FilesByTable, *, full_refresh: bool) -> dict[str, int]:
        """Load `batches` in one transaction; return how many rows that inserted or changed in each table.

        Raises `DatabaseInterruptedError` when another load has changed the ledger since it was read: whoever then tries
        again finds what is left to do.
        """
        last = self.last or redshift_ledger.last_entry(self.api)
        files = CopyFiles.of_load(self.warehouse.temporary)
        listed = {table: files.manifest(self.bucket, table.name, found) for table, found in parts.items()}
        role = self.warehouse.copy_role
        copies = transaction.copies(role, {table: address for table, address in listed.items() if address})
        entries = files.ledger_manifest(batches, self.run) if batches else None
        self._empty_staging(parts)
        steps = self._within_bounds(
            [*transaction.opening(last), *copies, *transaction.merging(parts, role, entries, full_refresh=full_refresh)]
        )
        try:
            outcome = self.api.run([step.statement for step in steps], f"totelake load {self.run.id}")
        except StatementError as error:
            failed = steps[error.statement].purpose if error.statement is not None else None
            raise self._explained(failed, error, batches, parts, copies, full_refresh=full_refresh) from error
        failpoints.hit(failpoints.MERGE_COMMITTED)
        if batches:
            self.last = _entry_after(last, batches, full_refresh=full_refresh)
        self._empty_staging(parts)
        return {table: int(rows) for table, rows in outcome.results()[-1]} if parts else {}

    def after_load(self, table: StarTable, rows: int) -> None:
        """Leave it to Redshift, which renews the statistics of its tables in the background."""

    def ensure_schema(self) -> None:
        """Leave the warehouse as it is: it has had everything since it was opened."""

    def _within_bounds(self, steps: list[Step]) -> list[Step]:
        """Return the `steps` of a transaction, all of them or, where they are too many for one, without the copies.

        The rows are then copied before it: nobody reads what is in staging, and the transaction makes sure that it is
        all there.
        """
        if len(steps) <= BATCH:
            return steps
        self._copy([step for step in steps if step.purpose == Purpose.COPY])
        return [step for step in steps if step.purpose != Purpose.COPY]

    def _copy(self, copies: list[Step]) -> None:
        for start in range(0, len(copies), BATCH):
            self.api.run([step.statement for step in copies[start : start + BATCH]])

    def _empty_staging(self, parts: FilesByTable) -> None:
        # Not within the transaction: Redshift commits when it meets a TRUNCATE.
        if parts:
            self.api.run([sql.SQL("TRUNCATE {}").format(staging(table)) for table in parts])

    def _explained(
        self,
        failed: Purpose | None,
        error: StatementError,
        batches: list[ProcessedBatch],
        parts: FilesByTable,
        copies: list[Step],
        *,
        full_refresh: bool,
    ) -> TotelakeError:
        """Return what it means that a step with the purpose `failed` did."""
        if failed == Purpose.LEDGER_IS_THE_SAME:
            return redshift_ledger.went_on(self.api)
        if failed == Purpose.NO_ORPHANS:
            return OrphanError(batches[-1].batch_id, [table.name for table in parts if table.is_fact])
        if failed == Purpose.ALL_ARRIVED:
            # With the transaction went what it had counted: the same files are copied and counted once more.
            self._empty_staging(parts)
            self._copy(copies)
            staged: dict[str, int] = dict(self.api.rows(transaction.count_staged(parts, full_refresh=full_refresh)))
            for table, found in parts.items():
                if staged[table.name] != (expected := sum(part.rows for part in found)):
                    rows = self.api.rows(transaction.duplicates(table, full_refresh=full_refresh))
                    self._empty_staging(parts)
                    duplicates = [(tuple(values), int(number)) for *values, number in rows]
                    key = transaction.merged_by(table, full_refresh=full_refresh)
                    return StagingError(table.name, expected, staged[table.name], key, duplicates)
            self._empty_staging(parts)
        return error


def _entry_after(last: Entry, batches: list[ProcessedBatch], *, full_refresh: bool) -> Entry:
    """Return the last entry of the ledger that ended with `last`, now that it has `batches`."""
    end = replace(last, sequence=batches[-1].sequence, batch_id=batches[-1].batch_id)
    entries = len(batches) if full_refresh else last.entries + len(batches)
    return replace(end, last_ingested=batches[-1].last_ingested, entries=entries)

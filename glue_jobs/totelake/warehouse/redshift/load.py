"""The load into Redshift: COPY, merge and ledger entry in one transaction that the Data API runs.

A submitted transaction runs to its end even if the job is killed or loses the response. It commits atomically, and the
next run finds its entry in the ledger.
"""

from collections.abc import Iterator, Mapping
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
from totelake.warehouse.ledger import LedgerEntry
from totelake.warehouse.redshift import ledger as redshift_ledger
from totelake.warehouse.redshift import roles, shape, transaction
from totelake.warehouse.redshift.data_api import MAX_STATEMENTS, DataApi
from totelake.warehouse.redshift.files import CopyFiles
from totelake.warehouse.redshift.merge import staging
from totelake.warehouse.redshift.transaction import Purpose, TransactionStep


@dataclass(frozen=True, slots=True)
class Redshift:
    """A warehouse in Redshift Serverless.

    `copy_role` is the ARN of the role with which COPY reads S3, and `temporary` the job's `--TempDir`, into which the
    job writes the files for COPY.
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
        """The client of its Data API."""
        return DataApi(self.workgroup, self.database, self.secret)

    def define(self, run: JobRun, passwords: Mapping[str, str]) -> None:  # noqa: ARG002 - loads need not be excluded
        """Create the users of `passwords`, or set theirs, and what the warehouse lacks, as its administrator."""
        roles.ensure(self.api, passwords)
        shape.define(self.api)

    @contextmanager
    def opened(self, run: JobRun, bucket: str) -> Iterator[OpenWarehouse]:
        """Create what the warehouse lacks; loads exclude each other in their transactions."""
        api = self.api
        shape.apply(api, rebuild=run.flag("rebuild"))
        yield _RedshiftLoad(run, bucket, self, api)


@dataclass(slots=True)
class _RedshiftLoad:
    """One run of the stage: the bucket that it reads, and the last ledger entry that it has read or written."""

    run: JobRun
    bucket: str
    warehouse: Redshift
    api: DataApi
    last: LedgerEntry | None = None

    def last_loaded(self) -> int:
        """Return the sequence of the last batch in the ledger, 0 if nothing was loaded."""
        self.last = redshift_ledger.last_entry(self.api)
        self.last.check()
        return self.last.sequence

    def pending(self, commit_log: CommitLog[ProcessedBatch]) -> list[ProcessedBatch]:
        """Return the batches of `commit_log` that the ledger lacks, in order."""
        self.last_loaded()
        assert self.last is not None  # noqa: S101 - just read
        return ledger.pending(self.last, commit_log)

    def load(self, batches: list[ProcessedBatch], files: FilesByTable, *, full_refresh: bool) -> dict[str, int]:
        """Load `batches` in one transaction; return the number of rows inserted or changed by table.

        Raises `DatabaseInterruptedError` when another load has changed the ledger since it was read: a retry loads the
        remaining batches.
        """
        last = self.last or redshift_ledger.last_entry(self.api)
        copy_files = CopyFiles.of_load(self.warehouse.temporary)
        manifests = {table: copy_files.manifest(self.bucket, table.name, tables) for table, tables in files.items()}
        role = self.warehouse.copy_role
        copies = transaction.copies(role, {table: url for table, url in manifests.items() if url})
        entries = copy_files.ledger_manifest(batches, self.run) if batches else None
        self._empty_staging(files)
        steps = self._within_limit(
            [*transaction.opening(last), *copies, *transaction.merging(files, role, entries, full_refresh=full_refresh)]
        )
        try:
            committed = self.api.run([step.statement for step in steps], f"totelake load {self.run.id}")
        except StatementError as error:
            failed = steps[error.statement].purpose if error.statement is not None else None
            raise self._explain(failed, error, batches, files, copies, full_refresh=full_refresh) from error
        failpoints.hit(failpoints.MERGE_COMMITTED)
        if batches:
            self.last = _entry_after(last, batches, full_refresh=full_refresh)
        self._empty_staging(files)
        return {table: int(rows) for table, rows in committed.results()[-1]} if files else {}

    def after_load(self, table: StarTable, rows: int) -> None:
        """Do nothing: Redshift analyzes its tables in the background."""

    def ensure_schema(self) -> None:
        """Do nothing: the schema is complete since the warehouse was opened."""

    def _within_limit(self, steps: list[TransactionStep]) -> list[TransactionStep]:
        """Return the `steps` of the transaction, without the copies if there are too many for one.

        The rows are then copied before it: nothing else reads staging, and the transaction checks that it is complete.
        """
        if len(steps) <= MAX_STATEMENTS:
            return steps
        self._copy([step for step in steps if step.purpose == Purpose.COPY])
        return [step for step in steps if step.purpose != Purpose.COPY]

    def _copy(self, copies: list[TransactionStep]) -> None:
        for start in range(0, len(copies), MAX_STATEMENTS):
            self.api.run([step.statement for step in copies[start : start + MAX_STATEMENTS]])

    def _empty_staging(self, files: FilesByTable) -> None:
        # Not within the transaction: TRUNCATE commits in Redshift.
        if files:
            self.api.run([sql.SQL("TRUNCATE {}").format(staging(table)) for table in files])

    def _explain(
        self,
        failed: Purpose | None,
        error: StatementError,
        batches: list[ProcessedBatch],
        files: FilesByTable,
        copies: list[TransactionStep],
        *,
        full_refresh: bool,
    ) -> TotelakeError:
        """Return the error for a failed step with the purpose `failed`."""
        if failed == Purpose.LEDGER_UNCHANGED:
            return redshift_ledger.changed_meanwhile(self.api)
        if failed == Purpose.NO_ORPHANS:
            return OrphanError(batches[-1].batch_id, [table.name for table in files if table.is_fact])
        if failed == Purpose.STAGING_COMPLETE:
            # The counts were rolled back with the transaction: the same files are copied and counted again.
            self._empty_staging(files)
            self._copy(copies)
            staged: dict[str, int] = dict(self.api.rows(transaction.count_staged(files, full_refresh=full_refresh)))
            for table, tables in files.items():
                if staged[table.name] != (expected := sum(part.rows for part in tables)):
                    rows = self.api.rows(transaction.duplicates(table, full_refresh=full_refresh))
                    self._empty_staging(files)
                    duplicates = [(tuple(values), int(copies)) for *values, copies in rows]
                    key = transaction.staging_key(table, full_refresh=full_refresh)
                    return StagingError(table.name, expected, staged[table.name], key, duplicates)
            self._empty_staging(files)
        return error


def _entry_after(last: LedgerEntry, batches: list[ProcessedBatch], *, full_refresh: bool) -> LedgerEntry:
    """Return the last ledger entry after the load of `batches`, from the `last` entry before it."""
    end = replace(last, sequence=batches[-1].sequence, batch_id=batches[-1].batch_id)
    entries = len(batches) if full_refresh else last.entries + len(batches)
    return replace(end, last_ingested=batches[-1].last_ingested, entries=entries)

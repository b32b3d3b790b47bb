"""The load into Postgres: files are copied to staging, one transaction merges them and inserts ledger entries."""

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from uuid import uuid4

import boto3
import psycopg

from totelake.lake.batches import ProcessedBatch
from totelake.lake.commit_log import CommitLog
from totelake.lake.file_sets import FileSet
from totelake.runtime import failpoints, log
from totelake.runtime.clients import s3_for_readers
from totelake.runtime.connections import Login
from totelake.runtime.glue import JobRun
from totelake.runtime.locks import named_blockers
from totelake.tables import StarTable
from totelake.warehouse.contract import FilesByTable, OpenWarehouse
from totelake.warehouse.postgres import copying, keys, ledger, roles, shape, staging
from totelake.warehouse.postgres.merge import analyze, merge
from totelake.warehouse.postgres.session import (
    application_name,
    copy_conninfo,
    open_warehouse,
    statement_errors,
)

_TABLES_AT_ONCE = 4
# Above this number of rows a table is analyzed immediately; below it autovacuum is soon enough.
_ANALYZE_ROWS = 10_000


@dataclass(frozen=True, slots=True)
class Postgres:
    """A warehouse in Postgres, with its login."""

    login: Login

    @property
    def place(self) -> str:
        """The role and the address of its database."""
        return self.login.place

    def define(self, run: JobRun, passwords: Mapping[str, str]) -> None:
        """Create the roles of `passwords`, or set theirs, and what the warehouse lacks, as its owner."""
        name = application_name(run.id)
        with (
            statement_errors(self.login),
            named_blockers(self.login, name, database="the warehouse", stage="define"),
            open_warehouse(self.login, run.id) as connection,
        ):
            for role, password in passwords.items():
                roles.ensure(connection, role, password)
            shape.define(connection)

    @contextmanager
    def opened(self, run: JobRun, bucket: str) -> Iterator[OpenWarehouse]:
        """Connect as the only load; missing foreign keys are added at the end of the load."""
        name = application_name(run.id)
        with (
            statement_errors(self.login),
            named_blockers(self.login, name, database="the warehouse", stage="load"),
            open_warehouse(self.login, run.id) as connection,
        ):
            shape.apply(connection, with_foreign_keys=False, rebuild=run.flag("rebuild"))
            yield _PostgresLoad(run, bucket, self.login, connection)


@dataclass(frozen=True, slots=True)
class _PostgresLoad:
    """One run of the stage: the bucket that it reads, and the connection that controls the warehouse."""

    run: JobRun
    bucket: str
    login: Login
    connection: psycopg.Connection

    def last_loaded(self) -> int:
        """Return the sequence of the last batch in the ledger, 0 if nothing was loaded."""
        return ledger.last_sequence(self.connection)

    def pending(self, commit_log: CommitLog[ProcessedBatch]) -> list[ProcessedBatch]:
        """Return the batches of `commit_log` that the ledger lacks, in order."""
        return ledger.pending(self.connection, commit_log)

    def load(self, batches: list[ProcessedBatch], files: FilesByTable, *, full_refresh: bool) -> dict[str, int]:
        """Load `batches` in one transaction; return the number of rows inserted or changed by table."""
        tables = list(files)
        batch_id = batches[-1].batch_id if batches else None
        with staging.staging_tables(self.connection, tables, uuid4().hex[:12]) as staged:
            self._stage(files, staged)
            with statement_errors(self.login, batch_id=batch_id), self.connection.transaction():
                if full_refresh:
                    shape.empty(self.connection)
                    ledger.delete_entries(self.connection)
                merged = {
                    table.name: self._merge(table, files[table], staged[table.name], batch_id) for table in tables
                }
                keys.add_foreign_keys(self.connection)
                for batch in batches:
                    ledger.insert(self.connection, batch, self.run.id, self.run.code_version)
                failpoints.hit(failpoints.BEFORE_MERGE_COMMITTED)
            failpoints.hit(failpoints.MERGE_COMMITTED)
        return merged

    def after_load(self, table: StarTable, rows: int) -> None:
        """Analyze `table` after many rows."""
        if rows > _ANALYZE_ROWS:
            analyze(self.connection, table)

    def ensure_schema(self) -> None:
        """Create what the warehouse lacks, including foreign keys."""
        shape.apply(self.connection)

    def _stage(self, files: FilesByTable, staged: dict[str, str]) -> None:
        """Copy the files of all tables to their staging tables."""
        with log.span("stage", stage="load", tables=len(files)) as figures:
            s3 = s3_for_readers(boto3)
            with ThreadPoolExecutor(_TABLES_AT_ONCE) as pool:
                plans = pool.map(
                    lambda table: copying.plan(self.bucket, table, files[table], staged[table.name], s3), files
                )
                copies = list(chain.from_iterable(plans))
            figures |= {
                "rows": sum(part.rows for parts in files.values() for part in parts),
                "files": sum(len(copy.keys) for copy in copies),
                "bytes": sum(copy.size for copy in copies),
            }
            conninfo = copy_conninfo(self.login, self.connection, self.run.id)
            copying.run_copies(self.run, self.bucket, copies, conninfo, s3)

    def _merge(self, table: StarTable, files: list[FileSet], staging_table: str, batch_id: str | None) -> int:
        """Merge one table; raise `StagingError` unless the staged rows are those of `files`, each once.

        If all rows of a fact are new, its unique key has shown that no two are the same.
        """
        expected = sum(part.rows for part in files)
        with log.span("merge_table", stage="load", table=table.name) as figures:
            checked_by_key = table.is_fact and staging.count(self.connection, staging_table) == expected
            if not checked_by_key:
                staging.check(self.connection, table, staging_table, expected)
            with statement_errors(self.login, table.name, batch_id):
                rows = figures["rows"] = merge(self.connection, table, staging_table)
            if checked_by_key and rows < expected:
                staging.check(self.connection, table, staging_table, expected)
            return rows

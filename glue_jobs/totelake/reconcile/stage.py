"""The reconcile stage: every star table that totesys feeds, compared at one snapshot of each database."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial

import psycopg
from psycopg import sql
from psycopg.errors import InsufficientPrivilege, UndefinedTable

from totelake.ingest.source import SourceReader
from totelake.lake.batches import IngestedBatch, ProcessedBatch, Snapshot
from totelake.lake.commit_log import CommitLog
from totelake.reconcile import expected, uniqueness
from totelake.reconcile.compare import Comparison, What, rows_of
from totelake.reconcile.dialects import Row, Side, begin, encoding_of, in_savepoint
from totelake.reconcile.explanations import Evidence, last_loaded
from totelake.reconcile.report import Report
from totelake.reconcile.warehouse_state import Shown, opened
from totelake.runtime import metrics, retry, worklog
from totelake.runtime.connections import APPLICATION_NAME, Login
from totelake.runtime.errors import ComparisonError, ReconcileError
from totelake.runtime.glue import JobRun
from totelake.runtime.locks import named_blockers
from totelake.runtime.metrics import Measured
from totelake.tables import SOURCE_TABLES
from totelake.warehouse import Warehouse

_LOCK = sql.SQL("LOCK TABLE {} IN ACCESS SHARE MODE")


@dataclass(frozen=True, slots=True)
class Databases:
    """How the two sides are reached."""

    totesys: Login
    warehouse: Warehouse


@retry.retried("reconcile", database="totesys or the warehouse")
def run(_run: JobRun, databases: Databases, ingested: str, processed: str) -> dict[str, Report]:
    """Compare the warehouse's current state with totesys; return what was found of each table.

    `ingested` and `processed` are the buckets. Each table's differences become the metric `ReconcileDifferences`, also
    when there are none. Raises `ReconcileError` when there is one that no batch to come explains, or when a table could
    not be compared: all others are, before it is raised.
    """
    with metrics.stage("reconcile") as measured:
        return _compare_all(databases, ingested, processed, measured)


def _compare_all(databases: Databases, ingested: str, processed: str, measured: Measured) -> dict[str, Report]:
    ingested_log, processed_log = CommitLog(ingested, IngestedBatch), CommitLog(processed, ProcessedBatch)
    reports: dict[str, Report] = {}
    failed: dict[str, str] = {}
    with worklog.unit("reconcile", stage="reconcile") as figures, opened(databases.warehouse) as shown:
        # The warehouse first: whatever is loaded while this runs, totesys is not older than what is compared with it.
        loaded = last_loaded(shown.last, ingested_log, processed_log)
        if loaded is None:
            figures |= {"loaded": False, "total_rows": 0}
            return reports
        with _open_both(databases.totesys, shown) as (source, side, now):
            evidence = Evidence(ingested, processed, loaded, now)
            for table in expected.TABLES:
                try:
                    reports[table.name] = _reconcile(Comparison(table, source, side), evidence)
                except ComparisonError as error:
                    failed[table.name] = str(error)
        figures.update(_figures(loaded.ingested.sequence, reports), not_compared=list(failed))
        _publish(measured, reports)
        _raise_if_different(loaded.ingested.sequence, reports, failed)
    return reports


def _reconcile(comparison: Comparison, evidence: Evidence) -> Report:
    with worklog.unit("table_reconciled", stage="reconcile", table=comparison.table.name) as figures:
        report = _compare(comparison, evidence)
        figures |= {"rows": report.rows_in_totesys, **report.to_json()}
        return report


def _compare(comparison: Comparison, evidence: Evidence) -> Report:
    in_totesys, in_warehouse = comparison.read()
    report = Report(rows_of(in_totesys), rows_of(in_warehouse))
    name = comparison.table.name
    open_questions = []
    for differences in comparison.differences(in_totesys, in_warehouse):
        for difference in differences:
            if reason := evidence.at_once(name, difference):
                report.findings[difference.what, reason].add(difference.key)
            else:
                open_questions.append(difference)
    reasons = evidence.from_raw_zone(name, open_questions)
    for difference in open_questions:
        report.findings[difference.what, reasons.get(difference.key)].add(difference.key)
    for (what, _), finding in report.findings.items():
        if what == What.DIFFERENT:
            columns = comparison.differing_columns(finding.keys)
            finding.columns += dict.fromkeys(name for key in finding.keys for name in columns[key])
    return report


def _figures(last_ingested: int, reports: dict[str, Report]) -> dict[str, int]:
    return {
        "last_ingested": last_ingested,
        "tables": len(reports),
        "total_rows": sum(report.rows_in_totesys for report in reports.values()),
        "differences": sum(report.differences for report in reports.values()),
        "explained": sum(report.explained for report in reports.values()),
    }


def _publish(measured: Measured, reports: dict[str, Report]) -> None:
    """Publish at once what was found: when something was, the run fails."""
    measured.record(metrics.ROWS_IN, {table: report.rows_in_totesys for table, report in reports.items()})
    measured.record(metrics.RECONCILE_DIFFERENCES, {table: report.differences for table, report in reports.items()})
    measured.record(metrics.RECONCILE_EXPLAINED, {table: report.explained for table, report in reports.items()})
    measured.publish()


def _raise_if_different(last_ingested: int, reports: dict[str, Report], failed: dict[str, str]) -> None:
    different = {table: report for table, report in reports.items() if report.differences}
    if different or failed:
        raise ReconcileError(
            last_ingested,
            differences={table: report.told() for table, report in different.items()},
            rows={table: report.differences for table, report in different.items()},
            failed=failed,
        )


@contextmanager
def _open_both(login: Login, shown: Shown) -> Iterator[tuple[Side, Side, Snapshot]]:
    """Connect to totesys at one snapshot of it; yield its side, the warehouse's beside it, and the snapshot.

    An ingest goes on only when it can read every table; here one that cannot be read leaves the others as they are.
    """
    with (
        named_blockers(login, APPLICATION_NAME, database="totesys", stage="reconcile"),
        psycopg.connect(login.conninfo, autocommit=True) as connection,
    ):
        begin(connection)
        _lock(connection)
        source = SourceReader(login, connection)
        encoding, run = encoding_of(connection), partial(in_savepoint, connection)
        totesys = Side("totesys", run, expected.in_totesys, uniqueness.in_totesys, shown.form(encoding))
        yield totesys, shown.side(encoding), source.snapshot


def _lock(connection: psycopg.Connection[Row]) -> None:
    """Lock the source tables against DDL and TRUNCATE, which act on what a snapshot shows, before it is taken."""
    for name in SOURCE_TABLES:
        # What cannot be locked cannot be read either: the comparison of its star says so.
        with suppress(InsufficientPrivilege, UndefinedTable), connection.transaction():
            connection.execute(_LOCK.format(sql.Identifier("public", name)))

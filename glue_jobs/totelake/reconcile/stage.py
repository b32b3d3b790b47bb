"""The reconcile stage: compares every star table with totesys, at one snapshot of each database."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

import psycopg
from psycopg import sql
from psycopg.errors import InsufficientPrivilege, UndefinedTable

from totelake.ingest import identity, source_checks
from totelake.ingest.source import SourceReader
from totelake.lake.batches import IngestedBatch, ProcessedBatch, Snapshot
from totelake.lake.commit_log import CommitLog
from totelake.reconcile import expected, uniqueness
from totelake.reconcile.compare import Comparison, DifferenceKind, rows_of
from totelake.reconcile.dialects import Row, Side, begin, encoding_of, in_savepoint
from totelake.reconcile.explanations import Explainer, last_loaded
from totelake.reconcile.report import Report
from totelake.reconcile.warehouse_state import WarehouseState, open_state
from totelake.runtime import log, metrics, retry
from totelake.runtime.connections import APPLICATION_NAME, Login
from totelake.runtime.error_mapping import server_message
from totelake.runtime.errors import ComparisonError, ReconcileError
from totelake.runtime.glue import JobRun
from totelake.runtime.locks import named_blockers
from totelake.runtime.metrics import StageMetrics
from totelake.tables import SOURCE_TABLES, StarTable
from totelake.warehouse import Warehouse

_LOCK = sql.SQL("LOCK TABLE {} IN ACCESS SHARE MODE")


@dataclass(frozen=True, slots=True)
class Databases:
    """The connections to the two sides."""

    totesys: Login
    warehouse: Warehouse


@retry.retried("reconcile", database="totesys or the warehouse")
def run(_run: JobRun, databases: Databases, ingested: str, processed: str) -> dict[str, Report]:
    """Compare the warehouse's current state with totesys; return the report on each table.

    `ingested` and `processed` are the buckets. The number of each table's differences is the metric
    `ReconcileDifferences`, also if it is 0. Raises `ReconcileError`, after all tables, when there is a difference that
    is not explained, or when a table could not be compared.
    """
    with metrics.stage("reconcile") as stage_metrics:
        return _compare_all(databases, ingested, processed, stage_metrics)


def _compare_all(databases: Databases, ingested: str, processed: str, stage_metrics: StageMetrics) -> dict[str, Report]:
    ingested_log, processed_log = CommitLog(ingested, IngestedBatch), CommitLog(processed, ProcessedBatch)
    reports: dict[str, Report] = {}
    failed: dict[str, str] = {}
    with log.span("reconcile", stage="reconcile") as figures, open_state(databases.warehouse) as state:
        # The warehouse first: totesys is then never older than the warehouse's state, even if a load is running.
        loaded = last_loaded(state.last, ingested_log, processed_log)
        if loaded is None:
            figures |= {"loaded": False, "total_rows": 0}
            return reports
        with _open_sides(databases.totesys, state) as (source, side, now):
            explainer = Explainer(ingested, processed, loaded, now)
            for table in expected.TABLES:
                try:
                    reports[table.name] = _reconcile(Comparison(table, source, side), explainer)
                except ComparisonError as error:
                    failed[table.name] = str(error)
        figures.update(_figures(loaded.ingested.sequence, reports), not_compared=list(failed))
        _publish(stage_metrics, reports)
        _raise_if_different(loaded.ingested.sequence, reports, failed)
    return reports


def _reconcile(comparison: Comparison, explainer: Explainer) -> Report:
    with log.span("table_reconciled", stage="reconcile", table=comparison.table.name) as figures:
        report = _compare(comparison, explainer)
        figures |= {"rows": report.rows_in_totesys, **report.to_json()}
        return report


def _compare(comparison: Comparison, explainer: Explainer) -> Report:
    in_totesys, in_warehouse = comparison.read()
    report = Report(rows_of(in_totesys), rows_of(in_warehouse))
    name = comparison.table.name
    unexplained = []
    for differences in comparison.differences(in_totesys, in_warehouse):
        for difference in differences:
            if reason := explainer.reason_without_lake(name, difference):
                report.findings[difference.kind, reason].add(difference.key)
            else:
                unexplained.append(difference)
    reasons = explainer.reasons_from_lake(name, unexplained)
    for difference in unexplained:
        report.findings[difference.kind, reasons.get(difference.key)].add(difference.key)
    for (kind, _), finding in report.findings.items():
        if kind == DifferenceKind.DIFFERENT:
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


def _publish(stage_metrics: StageMetrics, reports: dict[str, Report]) -> None:
    """Publish the results immediately, since the run fails if there are differences."""
    stage_metrics.record(metrics.RECONCILE_DIFFERENCES, sum(report.differences for report in reports.values()))
    stage_metrics.record(metrics.RECONCILE_EXPLAINED, sum(report.explained for report in reports.values()))
    stage_metrics.publish()


def _raise_if_different(last_ingested: int, reports: dict[str, Report], failed: dict[str, str]) -> None:
    different = {table: report for table, report in reports.items() if report.differences}
    if different or failed:
        raise ReconcileError(
            last_ingested,
            differences={table: report.descriptions() for table, report in different.items()},
            rows={table: report.differences for table, report in different.items()},
            failed=failed,
        )


@contextmanager
def _open_sides(login: Login, state: WarehouseState) -> Iterator[tuple[Side, Side, Snapshot]]:
    """Connect to totesys at one snapshot; yield its side, that of the warehouse, and the snapshot.

    Unlike for an ingest, a table that cannot be read does not prevent the comparison of the others.
    """
    with (
        named_blockers(login, APPLICATION_NAME, database="totesys", stage="reconcile"),
        psycopg.connect(login.conninfo, autocommit=True) as connection,
    ):
        begin(connection)
        problems = _lock(connection)
        source = SourceReader(login, connection)
        problems |= _differences_from_declarations(connection)
        encoding, run = encoding_of(connection), partial(in_savepoint, connection)
        rows_of = partial(_in_totesys, problems)
        totesys = Side("totesys", run, rows_of, uniqueness.in_totesys, state.dialect(encoding))
        yield totesys, state.side(encoding), source.snapshot


def _lock(connection: psycopg.Connection[Row]) -> dict[str, str]:
    """Lock the source tables before the snapshot is taken, against DDL and TRUNCATE, which affect what it shows.

    Return the problem of each table that cannot be locked.
    """
    problems: dict[str, str] = {}
    for name in SOURCE_TABLES:
        try:
            with connection.transaction():
                connection.execute(_LOCK.format(sql.Identifier("public", name)))
        except (InsufficientPrivilege, UndefinedTable) as error:
            problems[name] = server_message(error)
    return problems


def _differences_from_declarations(connection: psycopg.Connection[Row]) -> dict[str, str]:
    """Return the problems of each locked table that is not a table, or whose declared columns have other types.

    Reading a view, or comparing values of another role's type, may call functions of that role.
    """
    actual = identity.inspect(connection, list(SOURCE_TABLES.values()))
    problems = {
        name: [*source_checks.kind_problems(table), *source_checks.column_problems(SOURCE_TABLES[name], table)]
        for name, table in actual.items()
    }
    return {name: "; ".join(listed) for name, listed in problems.items() if listed}


def _in_totesys(problems: dict[str, str], table: StarTable) -> sql.Composed:
    """Return the query on totesys for `table`; raise `ComparisonError` if one of its source tables has a problem."""
    for name in expected.ORIGINS[table.name].tables:
        if name in problems:
            raise ComparisonError("totesys", problems[name])
    return expected.in_totesys(table)

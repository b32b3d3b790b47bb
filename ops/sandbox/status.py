"""The status of a local environment: runs, batches, rows, schedules, alarms, alerts."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import Any

import psycopg
from psycopg import sql

from local_aws.state import State
from ops.sandbox import aws, deployment, lifecycle
from ops.sandbox.settings import SandboxSettings
from ops.sandbox.workflow_run import RowCounts, WorkflowRunSummary, summarize
from totelake.lake.batches import IngestedBatch, ProcessedBatch
from totelake.lake.commit_log import CommitLog
from totelake.lake.file_sets import LiveFiles
from totelake.tables import SOURCE_TABLES, STAR_TABLES
from totelake.tables.ledger import LEDGER
from totelake.warehouse.names import SCHEMA

_LATEST = 5


@dataclass(frozen=True, slots=True)
class CommittedBatches:
    """The committed batches of a zone: their number, and the latest ones, newest first."""

    count: int
    latest: tuple[dict[str, Any], ...]


@dataclass(frozen=True, slots=True)
class LiveFileCounts:
    """The number of live files of a zone, and of the batches that no compaction has merged.

    The batches are those of the table with most of them.
    """

    files: int
    uncompacted: int


@dataclass(frozen=True, slots=True)
class Status:
    """A snapshot of a local environment; values that need a part that is down are empty."""

    state: str
    workflow: str
    down: tuple[str, ...]
    runs: tuple[WorkflowRunSummary, ...]
    batches: dict[str, CommittedBatches]
    rows: dict[str, dict[str, int]]
    last_success_at: datetime | None
    alerts: tuple[dict[str, Any], ...]
    next_starts: dict[str, datetime]
    alarms: tuple[dict[str, Any], ...]
    live_files: dict[str, LiveFileCounts]

    @property
    def last_success_age(self) -> float | None:
        """Seconds since the last load into the warehouse or the last successful run without changes."""
        return (datetime.now(UTC) - self.last_success_at).total_seconds() if self.last_success_at else None

    def to_json(self) -> dict[str, Any]:
        """Return the status as `totelake status --json` prints it, with moments in ISO 8601 (UTC).

        - `state`, `workflow`: the state folder, and the workflow's name
        - `down`: the parts that are down, of "the local AWS" and "Postgres"; values that need them are empty
        - `runs`: the latest five, newest first: `id`, `status` (as in Glue), `succeeded`, `started_at`,
          `completed_at`, `seconds`, `error`, and `actions` in their order: `name`, `kind` (job or crawler), `state`
          (waiting, running, succeeded, failed, stopped), `attempt` (id of the job run), `seconds`, `rows`, `error`
        - `batches`: for `ingested` and `processed` the `count`, and the `latest` five, newest first: `sequence`,
          `batch_id`, `committed_at`, `rows`, `quarantined`, `held`, and `tables` with the rows of each
        - `rows`: for `totesys` and `warehouse` the rows of each table
        - `last_success`: `at` and `age_seconds`, null before the first
        - `alerts`: oldest first: `sent_at`, `to`, `subject`, `topic`, `body`
        - `schedules`: the next start of each enabled schedule, by its name
        - `alarms`: those in the state ALARM: `name`, `since`, `reason`
        - `live_files`: for `ingested` and `processed` the number of live `files`, and of `uncompacted` batches
        """
        return {
            "state": self.state,
            "workflow": self.workflow,
            "down": list(self.down),
            "runs": [
                asdict(run)
                | {"seconds": run.seconds, "succeeded": run.succeeded, "actions": list(map(asdict, run.actions))}
                for run in self.runs
            ],
            "batches": {
                zone: {"count": part.count, "latest": list(part.latest)} for zone, part in self.batches.items()
            },
            "rows": self.rows,
            "last_success": {"at": self.last_success_at, "age_seconds": self.last_success_age},
            "alerts": list(self.alerts),
            "schedules": self.next_starts,
            "alarms": list(self.alarms),
            "live_files": {zone: asdict(counts) for zone, counts in self.live_files.items()},
        }


def gather(state: State, count: int = _LATEST) -> Status:
    """Return the status of the local environment in `state`, with the latest `count` runs and batches.

    Raises `NoSandboxError` when there is none.
    """
    settings = SandboxSettings.load(state)
    down = lifecycle.running(state, settings).missing
    has_aws, has_postgres = "the local AWS" not in down, "Postgres" not in down
    runs = latest_runs(state, settings, count) if has_aws else ()
    successes = [run.completed_at for run in runs if run.succeeded and run.completed_at]
    if has_postgres and (loaded_at := _last_load(settings)):
        successes.append(loaded_at)
    return Status(
        state=str(state.root),
        workflow=deployment.outputs(state)["workflow"],
        down=tuple(down),
        runs=runs,
        batches=committed_batches(state, settings, count) if has_aws else {},
        rows=row_counts(settings) if has_postgres else {},
        last_success_at=max(successes, default=None),
        alerts=_alerts(state),
        next_starts=aws.next_starts(settings) if has_aws else {},
        alarms=_alarms(settings) if has_aws else (),
        live_files=_live_file_counts(state, settings) if has_aws else {},
    )


def latest_runs(state: State, settings: SandboxSettings, count: int = _LATEST) -> tuple[WorkflowRunSummary, ...]:
    """Return the latest runs of the workflow, newest first."""
    glue, rows = aws.client(settings, "glue"), RowCounts(aws.client(settings, "logs"))
    pages = glue.get_paginator("get_workflow_runs").paginate(
        Name=deployment.outputs(state)["workflow"], IncludeGraph=True
    )
    runs = [summarize(run, rows) for page in pages for run in page["Runs"]]
    return tuple(sorted(runs, key=lambda run: run.started_at or datetime.min.replace(tzinfo=UTC), reverse=True)[:count])


def committed_batches(state: State, settings: SandboxSettings, count: int = _LATEST) -> dict[str, CommittedBatches]:
    """Return the latest `count` committed batches of each zone, newest first, and the number of all."""
    buckets, owner = deployment.outputs(state)["buckets"], aws.OwnerClients(settings)
    ingested = islice(CommitLog(buckets["ingested"], IngestedBatch, owner).backwards(), count)
    processed = islice(CommitLog(buckets["processed"], ProcessedBatch, owner).backwards(), count)
    return {"ingested": _batches(map(_ingested, ingested)), "processed": _batches(map(_processed, processed))}


def live_files(state: State, settings: SandboxSettings) -> dict[str, LiveFiles]:
    """Return the live files of each zone; only the newest checkpoint and the commit records after it are read."""
    buckets, owner = deployment.outputs(state)["buckets"], aws.OwnerClients(settings)
    return {
        "ingested": CommitLog(buckets["ingested"], IngestedBatch, owner).live_files(),
        "processed": CommitLog(buckets["processed"], ProcessedBatch, owner).live_files(),
    }


def row_counts(settings: SandboxSettings) -> dict[str, dict[str, int]]:
    """Return the number of rows of every source table, and of every star table that exists in the warehouse."""
    return {
        "totesys": _count(settings.totesys_reader_url, SOURCE_TABLES),
        "warehouse": _count(settings.warehouse_reader_url, STAR_TABLES),
    }


def as_text(value: object) -> str:
    """Return a value without a JSON type as text; moments in ISO 8601."""
    return value.isoformat() if isinstance(value, datetime) else str(value)


def _live_file_counts(state: State, settings: SandboxSettings) -> dict[str, LiveFileCounts]:
    return {
        zone: LiveFileCounts(
            # The files of early batches are not recorded.
            sum(len(each.files) or 1 for sets in live.tables.values() for each in sets),
            live.uncompacted,
        )
        for zone, live in live_files(state, settings).items()
    }


def _batches(newest_first: Iterable[dict[str, Any]]) -> CommittedBatches:
    latest = tuple(newest_first)
    return CommittedBatches(latest[0]["sequence"] if latest else 0, latest)  # batches are numbered from 1 without gaps


def _ingested(batch: IngestedBatch) -> dict[str, Any]:
    return _batch(batch, {name: table.rows for name, table in batch.tables.items()}, quarantined=0, held=0)


def _processed(batch: ProcessedBatch) -> dict[str, Any]:
    held = sum(rows.rows for rows in batch.held.values())
    return _batch(batch, batch.rows, quarantined=sum(batch.quarantined.values()), held=held)


def _batch(batch: IngestedBatch | ProcessedBatch, tables: Mapping[str, int], **counts: int) -> dict[str, Any]:
    return {
        "sequence": batch.sequence,
        "batch_id": batch.batch_id,
        "committed_at": batch.committed_at,
        "rows": sum(tables.values()),
        **counts,
        "tables": dict(tables),
    }


def _count(url: str, tables: Iterable[str]) -> dict[str, int]:
    with psycopg.connect(url) as connection:
        counts = {}
        for table in tables:
            if connection.execute("SELECT to_regclass(%s)", [f"public.{table}"]).fetchone() != (None,):
                query = sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier("public", table))
                (counts[table],) = connection.execute(query).fetchone() or (0,)
        return counts


def _last_load(settings: SandboxSettings) -> datetime | None:
    """Return the time of the last load according to the ledger, or None before the first."""
    with psycopg.connect(settings.warehouse_reader_url) as connection:
        ledger = sql.Identifier(SCHEMA, LEDGER)
        if connection.execute("SELECT to_regclass(%s)", [f"{SCHEMA}.{LEDGER}"]).fetchone() == (None,):
            return None
        row = connection.execute(sql.SQL("SELECT max(loaded_at) FROM {}").format(ledger)).fetchone()
        return row[0] if row else None


def _alarms(settings: SandboxSettings) -> tuple[dict[str, Any], ...]:
    pages = aws.client(settings, "cloudwatch").get_paginator("describe_alarms").paginate(StateValue="ALARM")
    return tuple(
        {"name": alarm["AlarmName"], "since": alarm["StateUpdatedTimestamp"], "reason": alarm["StateReason"]}
        for page in pages
        for alarm in page["MetricAlarms"]
    )


def _alerts(state: State) -> tuple[dict[str, Any], ...]:
    if not state.inbox.exists():
        return ()
    from local_aws import inbox  # noqa: PLC0415 - imports moto, which takes 0.3 s

    return tuple(asdict(message) for message in inbox.messages(state))

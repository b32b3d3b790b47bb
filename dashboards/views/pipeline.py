"""The page Pipeline: workflows, runs, batches, freshness, reconcile, quarantine, alarms and alerts."""

from contextlib import AbstractContextManager
from datetime import UTC, datetime

import pandas as pd
import psycopg
import streamlit as st
from botocore.exceptions import BotoCoreError

from dashboards import cards, charts, formatting, graph, pipeline, pipeline_charts
from dashboards.cards import card
from dashboards.pipeline import Pipeline, PipelineWorkflow
from local_aws.state import State
from ops.sandbox import lifecycle
from ops.sandbox.errors import SandboxError
from ops.sandbox.settings import SandboxSettings
from ops.sandbox.status import LiveFileCounts
from ops.sandbox.workflow_run import WorkflowRunSummary

TITLE = "Pipeline"
_POLL_SECONDS = 3
_MAX_ROWS = 12
_NONE = "none"
_ALARM_LABELS = {"ALARM": "alarm", "INSUFFICIENT_DATA": "no data yet", "OK": "OK"}


def show(state: State) -> None:
    """Draw the page and refresh it automatically."""
    _live(state)


@st.fragment(run_every=_POLL_SECONDS)
def _live(state: State) -> None:
    try:
        settings = lifecycle.require(state)
        snapshot = _cached_snapshot(state, settings, pipeline.fingerprint(state, settings))
    except (SandboxError, BotoCoreError, psycopg.OperationalError):
        cards.empty_page("The pipeline is not running", *cards.HOW_TO_START)
    else:
        _draw(snapshot)


def _draw(snapshot: Pipeline) -> None:
    def dated(key: str, title: str, unit: str) -> AbstractContextManager[None]:
        return card(key, title, f"{unit} · as of {formatting.moment(snapshot.read_at)}")

    _tiles(snapshot)
    with dated("graph", "Workflows", "Triggers, jobs and crawlers of the last run, coloured by state"):
        for workflow in snapshot.workflows:
            _graph(workflow, snapshot.prefix)
    left, right = st.columns(2)
    with left, dated("runs", "How long do the runs take?", "Seconds of each stage, latest twenty runs"):
        _runs(snapshot)
    with right, dated("age", "Is the warehouse fresh?", "Age of the warehouse in minutes; thirty are allowed"):
        _ages(snapshot)
    with dated("rows", "How many rows does each batch contain?", "Rows of each table in the latest twenty batches"):
        _rows(snapshot)
    left, right = st.columns(2)
    with left, card("reconcile", "Does the warehouse match totesys?", _reconciled_at(snapshot)):
        _reconciled(snapshot)
    with right, dated("quarantine", "Which rows are in quarantine?", "Rows that break a rule of their table"):
        _quarantine(snapshot)
    left, right = st.columns(2)
    with left, dated("alarms", "Which alarms are active?", "CloudWatch alarms, active ones first"):
        _alarms(snapshot)
    with right, dated("alerts", "Which alerts were sent?", "E-mails to the on-call staff, latest first"):
        _alerts(snapshot)


@st.cache_data(ttl=10, max_entries=4, show_spinner=False)
def _cached_snapshot(
    _state: State,
    _settings: SandboxSettings,
    fingerprint: str,  # noqa: ARG001 - a part of the cache key
) -> Pipeline:
    return pipeline.gather(_state, _settings)


def _tiles(snapshot: Pipeline) -> None:
    runs, now = snapshot.status.runs, datetime.now(UTC)
    age = pipeline.age(runs, now)
    active_alarms = sum(alarm["state"] == "ALARM" for alarm in snapshot.alarms)
    differences = sum(line["differences"] for line in snapshot.reconciled)
    last = runs[0] if runs else None
    contents = (
        (
            "Last run",
            _run_status(last),
            formatting.age(last.seconds) if last and last.seconds is not None else "not run yet",
        ),
        (
            "Age of the warehouse",
            _NONE if age is None else formatting.age(age),
            f"{formatting.age(pipeline.FRESH_SECONDS)} allowed",
        ),
        (
            "Quarantine",
            formatting.exact(len({(fault.table, fault.key) for fault in snapshot.faults})),
            "rows",
        ),
        ("Reconcile", formatting.exact(differences) if snapshot.reconciled else _NONE, "differences from totesys"),
        ("Alarms", formatting.exact(active_alarms), f"active, of {len(snapshot.alarms)}"),
        ("Alerts", formatting.exact(len(snapshot.status.alerts)), "e-mails"),
    )
    bad = {
        "Last run": last is not None and not last.is_active and not last.succeeded,
        "Age of the warehouse": age is not None and age > pipeline.FRESH_SECONDS,
        "Quarantine": bool(snapshot.faults),
        "Reconcile": differences > 0,
        "Alarms": active_alarms > 0,
    }
    with st.container(key="tiles"):
        cards.small_tiles([(*tile, bad.get(tile[0], False)) for tile in contents])


def _run_status(run: WorkflowRunSummary | None) -> str:
    if run is None:
        return _NONE
    if run.is_active:
        return "running"
    return "succeeded" if run.succeeded else "failed" if run.status == "COMPLETED" else run.status.lower()


def _graph(workflow: PipelineWorkflow, prefix: str) -> None:
    run = workflow.run
    subtitle = "has not run yet"
    if run and run.started_at and run.seconds is not None:
        subtitle = f"{_run_status(run)}, started {formatting.moment(run.started_at)}, {formatting.age(run.seconds)}"
    st.html(f'<p class="unit"><b>{cards.text(workflow.name)}</b> {cards.text(subtitle)}</p>')
    for key, vertical in (("horizontal", False), ("vertical", True)):  # style.css shows one of them
        with st.container(key=f"graph-{key}-{workflow.name}", horizontal_alignment="center" if vertical else "left"):
            st.graphviz_chart(graph.dot(workflow, prefix, vertical=vertical), width="content")


def _runs(snapshot: Pipeline) -> None:
    stages = [
        {
            "run": f"{run.started_at.astimezone():%-d %b %H:%M:%S}",
            "stage": action.name.removeprefix(f"{snapshot.prefix}-"),
            "seconds": action.seconds,
            "state": str(action.state),
            "rows": action.rows or 0,
            "order": order,
        }
        for run in reversed(snapshot.status.runs)
        for order, action in enumerate(run.actions)
        if run.started_at and action.seconds is not None
    ]
    if stages:
        pipeline_charts.durations(pd.DataFrame(stages))
    else:
        cards.empty_note("The workflow has not run yet; run `totelake run`.")


def _ages(snapshot: Pipeline) -> None:
    points = pipeline.ages(snapshot.status.runs, _rounded_now())
    if points:
        pipeline_charts.ages(pd.DataFrame(points), pipeline.FRESH_SECONDS)
    else:
        cards.empty_note("Nothing has been loaded yet; run `totelake run`.")


def _rounded_now() -> datetime:
    """Return the current time rounded down to ten seconds, so that the chart is redrawn less often."""
    now = datetime.now(UTC)
    return now.replace(second=now.second // 10 * 10, microsecond=0)


def _rows(snapshot: Pipeline) -> None:
    zones = {zone: pipeline.rows_of(batches.latest) for zone, batches in snapshot.status.batches.items()}
    for column, zone in charts.panels(list(zones)):
        with column:
            if zones[zone]:
                pipeline_charts.batches(pd.DataFrame(zones[zone]), zone)
            else:
                cards.empty_note(f"No batch has been committed to the {zone} zone yet; run `totelake run`.")
            if zone in snapshot.status.live_files:
                st.caption(_files(snapshot.status.live_files[zone]))


def _files(counts: LiveFileCounts) -> str:
    return f"{counts.files:,} live files; {counts.uncompacted:,} batches not compacted yet: `totelake compact`"


def _reconciled_at(snapshot: Pipeline) -> str:
    if snapshot.reconciled_at is None:
        return "Not compared yet"
    return f"Compared {formatting.moment(snapshot.reconciled_at)}"


def _reconciled(snapshot: Pipeline) -> None:
    if not snapshot.reconciled:
        cards.empty_note("The warehouse has not been compared with totesys yet; run `totelake reconcile`.")
        return
    rows = [
        (
            line["table"],
            f"{line['rows_in_totesys']:,}",
            f"{line['rows_in_warehouse']:,}",
            f"{line['differences']:,}",
            f"{line['explained']:,}",
        )
        for line in snapshot.reconciled
    ]
    cards.table(
        ("Table", "totesys", "Warehouse", "Differences", "Explained"),
        rows,
        numbers_from=1,
        bad=[line["differences"] > 0 for line in snapshot.reconciled],
    )


def _quarantine(snapshot: Pipeline) -> None:
    if not snapshot.faults:
        cards.empty_note("The quarantine is empty.")
        return
    rows = [
        (fault.table, str(fault.key), fault.column, "NULL" if fault.value is None else fault.value, fault.rule)
        for fault in snapshot.faults[:_MAX_ROWS]
    ]
    cards.table(("Table", "Key", "Column", "Value", "Rule"), rows)
    if len(snapshot.faults) > _MAX_ROWS:
        st.caption(f"and {len(snapshot.faults) - _MAX_ROWS:,} more: `totelake quarantine`")


def _alarms(snapshot: Pipeline) -> None:
    order = {"ALARM": 0, "INSUFFICIENT_DATA": 1, "OK": 2}
    alarms = sorted(snapshot.alarms, key=lambda alarm: (order[alarm["state"]], alarm["name"]))
    rows = [
        (
            alarm["name"].removeprefix(f"{snapshot.prefix}-"),
            _ALARM_LABELS[alarm["state"]],
            formatting.moment(alarm["since"]),
        )
        for alarm in alarms
    ]
    cards.table(("Alarm", "State", "Since"), rows, bad=[alarm["state"] == "ALARM" for alarm in alarms])


def _alerts(snapshot: Pipeline) -> None:
    if not snapshot.status.alerts:
        cards.empty_note("No alerts have been sent.")
        return
    latest = reversed(snapshot.status.alerts[-_MAX_ROWS:])
    rows = [(formatting.moment(alert["sent_at"]), alert["subject"]) for alert in latest]
    cards.table(("Sent", "Subject"), rows)

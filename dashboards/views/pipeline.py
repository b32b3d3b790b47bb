"""How the pipeline fares: the workflow at work, runs, batches, freshness, and what is wrong."""

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
from ops.sandbox.workflow_run import WorkflowRunSummary

TITLE = "Pipeline"
_LOOK_SECONDS = 3
_MOST = 12
_NONE = "none"
_ALARM_WORDS = {"ALARM": "on", "INSUFFICIENT_DATA": "no data yet", "OK": "off"}


def show(state: State) -> None:
    """Draw the page, and draw it anew by itself."""
    _live(state)


@st.fragment(run_every=_LOOK_SECONDS)
def _live(state: State) -> None:
    try:
        settings = lifecycle.require(state)
        found = _gathered(state, settings, pipeline.mark(state, settings))
    except (SandboxError, BotoCoreError, psycopg.OperationalError):
        cards.state("The pipeline is not up", *cards.WAY_OUT)
    else:
        _draw(found)


def _draw(found: Pipeline) -> None:
    def dated(key: str, title: str, unit: str) -> AbstractContextManager[None]:
        return card(key, title, f"{unit} · as of {formatting.moment(found.read_at)}")

    _tiles(found)
    with dated(
        "graph", "What does the workflow do now?", "Triggers, jobs and crawlers of the last run, coloured by state"
    ):
        for workflow in found.workflows:
            _graph(workflow, found.prefix)
    left, right = st.columns(2)
    with left, dated("runs", "How long do the runs take?", "Seconds of each stage, the latest twenty runs"):
        _runs(found)
    with right, dated("age", "Is the warehouse fresh enough?", "Age of the warehouse in minutes; thirty are allowed"):
        _ages(found)
    with dated(
        "rows", "What does each batch bring?", "Rows of each table in the latest twenty batches; darker is more"
    ):
        _rows(found)
    left, right = st.columns(2)
    with left, card("reconcile", "Does the warehouse show what totesys holds?", _reconciled_when(found)):
        _reconciled(found)
    with right, dated("quarantine", "Which rows are held back?", "Rows that break a rule of their table"):
        _quarantine(found)
    left, right = st.columns(2)
    with left, dated("alarms", "Which alarms are on?", "Alarms of CloudWatch, those that are on first"):
        _alarms(found)
    with right, dated("alerts", "What was told by mail?", "E-mails to those on call, the latest first"):
        _alerts(found)


@st.cache_data(ttl=10, max_entries=4, show_spinner=False)
def _gathered(_state: State, _settings: SandboxSettings, mark: str) -> Pipeline:  # noqa: ARG001 - another mark, another answer
    return pipeline.gather(_state, _settings)


def _tiles(found: Pipeline) -> None:
    runs, now = found.status.runs, datetime.now(UTC)
    age = pipeline.age(runs, now)
    on = sum(alarm["state"] == "ALARM" for alarm in found.alarms)
    differences = sum(line["differences"] for line in found.reconciled)
    last = runs[0] if runs else None
    shown = (
        ("Last run", _how(last), formatting.age(last.seconds) if last and last.seconds is not None else "not run yet"),
        (
            "Age of the warehouse",
            _NONE if age is None else formatting.age(age),
            f"{formatting.age(pipeline.FRESH_SECONDS)} allowed",
        ),
        (
            "Rows held back",
            formatting.exact(len({(fault.table, fault.key) for fault in found.faults})),
            "in quarantine",
        ),
        ("Reconcile", formatting.exact(differences) if found.reconciled else _NONE, "differences to totesys"),
        ("Alarms", formatting.exact(on), f"on, of {len(found.alarms)}"),
        ("Alerts", formatting.exact(len(found.status.alerts)), "e-mails"),
    )
    bad = {
        "Last run": last is not None and not last.is_active and not last.succeeded,
        "Age of the warehouse": age is not None and age > pipeline.FRESH_SECONDS,
        "Rows held back": bool(found.faults),
        "Reconcile": differences > 0,
        "Alarms": on > 0,
    }
    with st.container(key="tiles"):
        cards.small_tiles([(*tile, bad.get(tile[0], False)) for tile in shown])


def _how(run: WorkflowRunSummary | None) -> str:
    if run is None:
        return _NONE
    if run.is_active:
        return "running"
    return "succeeded" if run.succeeded else "failed" if run.status == "COMPLETED" else run.status.lower()


def _graph(workflow: PipelineWorkflow, prefix: str) -> None:
    run = workflow.run
    told = "has not run yet"
    if run and run.started_at and run.seconds is not None:
        told = f"{_how(run)}, began {formatting.moment(run.started_at)}, {formatting.age(run.seconds)}"
    st.html(f'<p class="unit"><b>{cards.text(workflow.name)}</b> {cards.text(told)}</p>')
    for key, upright in (("lying", False), ("upright", True)):
        with st.container(key=f"graph-{key}-{workflow.name}", horizontal_alignment="center" if upright else "left"):
            st.graphviz_chart(graph.dot(workflow, prefix, upright=upright), width="content")


def _runs(found: Pipeline) -> None:
    stages = [
        {
            "run": f"{run.started_at.astimezone():%-d %b %H:%M:%S}",
            "stage": action.name.removeprefix(f"{found.prefix}-"),
            "seconds": action.seconds,
            "state": str(action.state),
            "rows": action.rows or 0,
            "order": place,
        }
        for run in reversed(found.status.runs)
        for place, action in enumerate(run.actions)
        if run.started_at and action.seconds is not None
    ]
    if stages:
        pipeline_charts.durations(pd.DataFrame(stages))
    else:
        cards.nothing("The workflow has not run yet; run `totelake run`.")


def _ages(found: Pipeline) -> None:
    points = pipeline.ages(found.status.runs, _lately())
    if points:
        pipeline_charts.ages(pd.DataFrame(points), pipeline.FRESH_SECONDS)
    else:
        cards.nothing("Nothing has been loaded yet; run `totelake run`.")


def _lately() -> datetime:
    """Return the moment, to ten seconds, so that a chart is not drawn anew for less."""
    now = datetime.now(UTC)
    return now.replace(second=now.second // 10 * 10, microsecond=0)


def _rows(found: Pipeline) -> None:
    zones = {zone: pipeline.rows_of(part.latest) for zone, part in found.status.batches.items()}
    for place, zone in charts.panels(list(zones)):
        with place:
            if zones[zone]:
                pipeline_charts.batches(pd.DataFrame(zones[zone]), zone)
            else:
                cards.nothing(f"No batch has been committed to the {zone} zone yet.")


def _reconciled_when(found: Pipeline) -> str:
    return "Not compared yet" if found.reconciled_at is None else f"Compared {formatting.moment(found.reconciled_at)}"


def _reconciled(found: Pipeline) -> None:
    if not found.reconciled:
        cards.nothing("The warehouse has not been held against totesys yet; run `totelake reconcile`.")
        return
    rows = [
        (
            line["table"],
            f"{line['rows_in_totesys']:,}",
            f"{line['rows_in_warehouse']:,}",
            f"{line['differences']:,}",
            f"{line['explained']:,}",
        )
        for line in found.reconciled
    ]
    cards.table(
        ("Table", "totesys", "Warehouse", "Differ", "To come"),
        rows,
        numbers_from=1,
        bad=[line["differences"] > 0 for line in found.reconciled],
    )


def _quarantine(found: Pipeline) -> None:
    if not found.faults:
        cards.nothing("Nothing is held back.")
        return
    rows = [
        (fault.table, str(fault.key), fault.column, "NULL" if fault.value is None else fault.value, fault.rule)
        for fault in found.faults[:_MOST]
    ]
    cards.table(("Table", "Key", "Column", "Value", "Rule"), rows)
    if len(found.faults) > _MOST:
        st.caption(f"and {len(found.faults) - _MOST:,} more: `totelake quarantine`")


def _alarms(found: Pipeline) -> None:
    order = {"ALARM": 0, "INSUFFICIENT_DATA": 1, "OK": 2}
    alarms = sorted(found.alarms, key=lambda alarm: (order[alarm["state"]], alarm["name"]))
    rows = [
        (
            alarm["name"].removeprefix(f"{found.prefix}-"),
            _ALARM_WORDS[alarm["state"]],
            formatting.moment(alarm["since"]),
        )
        for alarm in alarms
    ]
    cards.table(("Alarm", "State", "Since"), rows, bad=[alarm["state"] == "ALARM" for alarm in alarms])


def _alerts(found: Pipeline) -> None:
    if not found.status.alerts:
        cards.nothing("No mail has been sent.")
        return
    rows = [(formatting.moment(alert["sent_at"]), alert["subject"]) for alert in reversed(found.status.alerts[-_MOST:])]
    cards.table(("Sent", "Subject"), rows)

"""The charts of the page Pipeline."""

import math
from datetime import UTC, datetime, timedelta

import altair as alt
import pandas as pd

from dashboards import formatting, theme
from dashboards.charts import names_axis

_FEW, _SOME = 6, 12  # numbers of batches up to which there is space for long labels, and for row counts
_STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 240, 720)  # minutes between two labels
_DAY = 24 * 60


def durations(stages: pd.DataFrame) -> None:
    """Draw a stacked bar for each run of the seconds of its stages."""
    runs, names = list(stages["run"].unique()), list(stages["stage"].unique())
    stages = stages.assign(duration=[formatting.age(seconds) for seconds in stages["seconds"]])
    chart = (
        alt.Chart(stages)
        .mark_bar(cornerRadius=1, size=min(34, 420 // len(runs)))
        .encode(
            x=alt.X("run:N", sort=runs, axis=alt.Axis(labelAngle=0)),
            y=alt.Y("seconds:Q", axis=alt.Axis(tickCount=5)),
            color=alt.Color("stage:N", scale=alt.Scale(domain=names, range=list(theme.STAGES))),
            order="order:Q",
            tooltip=[
                alt.Tooltip("run:N", title="Start"),
                alt.Tooltip("stage:N", title="Stage"),
                alt.Tooltip("duration:N", title="Duration"),
                alt.Tooltip("rows:Q", title="Rows", format=","),
                alt.Tooltip("state:N", title="State"),
            ],
        )
    )
    theme.show(chart, 260, "Seconds of each stage by run")


def ages(points: pd.DataFrame, allowed: float) -> None:
    """Draw the age of the warehouse over time in minutes, with a rule at the `allowed` age in seconds."""
    points = points.assign(
        minutes=points["seconds"] / 60, text=[formatting.age(seconds) for seconds in points["seconds"]]
    )
    maximum = max(allowed / 60 * 1.1, float(points["minutes"].max()) * 1.05)
    begin, end = points["at"].min(), points["at"].max()
    time_format = "%H:%M" if end - begin < timedelta(days=1) else "%-d %b %H:%M"
    labels = alt.Axis(format=time_format, values=whole_minutes(begin, end))
    base = alt.Chart(points).encode(
        x=alt.X("at:T", axis=labels),
        y=alt.Y("minutes:Q", axis=alt.Axis(tickCount=5), scale=alt.Scale(domain=[0, maximum]), stack=None),
        tooltip=[alt.Tooltip("at:T", title="Time", format="%-d %b %H:%M:%S"), alt.Tooltip("text:N", title="Age")],
    )
    limit = alt.Chart(pd.DataFrame({"minutes": [allowed / 60], "text": ["allowed"]})).encode(y="minutes:Q")
    rule = limit.mark_rule(color=theme.BAD, strokeDash=[5, 4])
    label = limit.mark_text(align="left", x=4, dy=-7, color=theme.BAD).encode(text="text:N")
    area = base.mark_area(color=theme.STAGES[0], opacity=0.12)
    theme.show(area + base.mark_line(color=theme.STAGES[0], strokeWidth=2) + rule + label, 260, "Age of the warehouse")


def batches(rows: pd.DataFrame, zone: str) -> None:
    """Draw a heat map of the rows of each table in each batch of a zone."""
    numbers, tables = list(rows["batch"].unique()), sorted(rows["table"].unique())
    rows = rows.assign(text=[formatting.short(number) if number else "" for number in rows["rows"]])
    base = alt.Chart(rows, title=zone.capitalize()).encode(
        x=alt.X(
            "batch:N",
            sort=numbers,
            axis=alt.Axis(labelAngle=0, labelExpr="'batch ' + datum.value" if len(numbers) < _FEW else "datum.value"),
        ),
        y=alt.Y("table:N", sort=tables, axis=names_axis()),
        tooltip=[
            alt.Tooltip("batch:N", title="Batch"),
            alt.Tooltip("table:N", title="Table"),
            alt.Tooltip("rows:Q", title="Rows", format=","),
        ],
    )
    top = float(rows["rows"].max())
    shade = alt.Color(
        "rows:Q", scale=alt.Scale(type="symlog", range=["#f1f5f6", "#5eb0a8"], domain=[0, max(top, 1)]), legend=None
    )
    cells = base.mark_rect(cornerRadius=2, stroke="white", strokeWidth=1).encode(color=shade)
    texts = base.mark_text(fontSize=11, color=theme.INK).encode(text="text:N")
    theme.show(cells + texts if len(numbers) < _SOME else cells, 26 + 22 * len(tables), f"Rows of each batch, {zone}")


def whole_minutes(begin: datetime, end: datetime) -> list[str]:
    """Return up to seven evenly spaced whole minutes between two moments, in ISO 8601, for the labels of an axis.

    They are computed here because Vega fails on the interval "minute", which Vega-Lite accepts, and with a tick count
    it can label a minute twice.
    """
    first, last = begin.timestamp() / 60, end.timestamp() / 60
    minimum_step = (last - first) / _FEW
    step = next((step for step in _STEPS if step >= minimum_step), _DAY * math.ceil(minimum_step / _DAY))
    minutes = range(math.ceil(first / step) * step, math.floor(last) + 1, step)
    return [datetime.fromtimestamp(minute * 60, UTC).isoformat() for minute in minutes]

"""The charts of the pipeline."""

import math
from datetime import UTC, datetime, timedelta

import altair as alt
import pandas as pd

from dashboards import formatting, theme
from dashboards.charts import names_axis

_FEW, _SOME = 6, 12  # batches that have room for their names, and for their numbers
_STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 240, 720)  # minutes between two labels
_DAY = 24 * 60


def durations(stages: pd.DataFrame) -> None:
    """Draw a bar a run of the seconds of its stages."""
    runs, names = list(stages["run"].unique()), list(stages["stage"].unique())
    stages = stages.assign(took=[formatting.age(seconds) for seconds in stages["seconds"]])
    chart = (
        alt.Chart(stages)
        .mark_bar(cornerRadius=1, size=min(34, 420 // len(runs)))
        .encode(
            x=alt.X("run:N", sort=runs, axis=alt.Axis(labelAngle=0)),
            y=alt.Y("seconds:Q", axis=alt.Axis(tickCount=5)),
            color=alt.Color("stage:N", scale=alt.Scale(domain=names, range=list(theme.STAGES))),
            order="order:Q",
            tooltip=[
                alt.Tooltip("run:N", title="Began"),
                alt.Tooltip("stage:N", title="Stage"),
                alt.Tooltip("took:N", title="Took"),
                alt.Tooltip("rows:Q", title="Rows", format=","),
                alt.Tooltip("state:N", title="State"),
            ],
        )
    )
    theme.show(chart, 260, "Seconds of each stage by run")


def ages(points: pd.DataFrame, allowed: float) -> None:
    """Draw the age of the warehouse over time against what is `allowed`, in minutes."""
    points = points.assign(
        minutes=points["seconds"] / 60, said=[formatting.age(seconds) for seconds in points["seconds"]]
    )
    most = max(allowed / 60 * 1.1, float(points["minutes"].max()) * 1.05)
    begin, end = points["at"].min(), points["at"].max()
    at = "%H:%M" if end - begin < timedelta(days=1) else "%-d %b %H:%M"
    labels = alt.Axis(format=at, values=whole_minutes(begin, end))
    base = alt.Chart(points).encode(
        x=alt.X("at:T", axis=labels),
        y=alt.Y("minutes:Q", axis=alt.Axis(tickCount=5), scale=alt.Scale(domain=[0, most]), stack=None),
        tooltip=[alt.Tooltip("at:T", title="At", format="%-d %b %H:%M:%S"), alt.Tooltip("said:N", title="Age")],
    )
    limit = alt.Chart(pd.DataFrame({"minutes": [allowed / 60], "text": ["allowed"]})).encode(y="minutes:Q")
    rule = limit.mark_rule(color=theme.BAD, strokeDash=[5, 4])
    word = limit.mark_text(align="left", x=4, dy=-7, color=theme.BAD).encode(text="text:N")
    area = base.mark_area(color=theme.STAGES[0], opacity=0.12)
    theme.show(area + base.mark_line(color=theme.STAGES[0], strokeWidth=2) + rule + word, 260, "Age of the warehouse")


def batches(rows: pd.DataFrame, zone: str) -> None:
    """Draw the rows of each table in each batch of a zone."""
    numbers, tables = list(rows["batch"].unique()), sorted(rows["table"].unique())
    rows = rows.assign(said=[formatting.short(number) if number else "" for number in rows["rows"]])
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
    fields = base.mark_rect(cornerRadius=2, stroke="white", strokeWidth=1).encode(color=shade)
    texts = base.mark_text(fontSize=11, color=theme.INK).encode(text="said:N")
    theme.show(fields + texts if len(numbers) < _SOME else fields, 26 + 22 * len(tables), f"Rows of each batch, {zone}")


def whole_minutes(begin: datetime, end: datetime) -> list[str]:
    """Return up to seven whole minutes between two moments, evenly spaced, as the labels of an axis take them.

    They are counted here because Vega-Lite lets through an interval "minute" that Vega does not know and fails on,
    and a mere number of labels has it name a minute more than once.
    """
    first, last = begin.timestamp() / 60, end.timestamp() / 60
    wanted = (last - first) / _FEW
    step = next((step for step in _STEPS if step >= wanted), _DAY * math.ceil(wanted / _DAY))
    minutes = range(math.ceil(first / step) * step, math.floor(last) + 1, step)
    return [datetime.fromtimestamp(minute * 60, UTC).isoformat() for minute in minutes]

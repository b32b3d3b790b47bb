"""The kinds of charts that pages draw from an answer.

Amounts of different currencies are never added: a chart of amounts has a line for each currency, or there is a panel for
each.
"""

from collections.abc import Mapping, Sequence

import altair as alt
import pandas as pd
import streamlit as st

from dashboards import figures, looks

TOP = 8
WEEKS = 6
_BAR = 27
_HEAD = 30


def currencies_of(answer: pd.DataFrame) -> list[str]:
    """Return the currencies of an answer, those of the house first."""
    found = answer["currency"].unique()
    return [*(code for code in looks.CURRENCIES if code in found), *sorted(set(found) - looks.CURRENCIES.keys())]


def monthly_lines(answer: pd.DataFrame, value: str, says: str, height: int = 300, decimals: int = 0) -> None:
    """Draw a line for each currency, from month to month."""
    shown = answer.assign(
        said=[
            figures.exact(number, code, decimals)
            for number, code in zip(answer[value], answer["currency"], strict=True)
        ]
    )
    currencies = currencies_of(shown)
    base = alt.Chart(shown).encode(
        x=month_axis(),
        y=alt.Y(f"{value}:Q", axis=value_axis(), scale=alt.Scale(zero=decimals == 0, nice=True)),
        color=alt.Color(
            "currency:N", scale=looks.scale(currencies), legend=alt.Legend() if len(currencies) > 1 else None
        ),
        tooltip=[month_tooltip(), alt.Tooltip("currency:N", title="Currency"), alt.Tooltip("said:N", title=says)],
    )
    looks.show(base.mark_line(strokeWidth=2.2, interpolate="monotone") + base.mark_circle(size=46), height, says)


def ranked(
    answer: pd.DataFrame,
    label: str,
    value: str,
    details: Mapping[str, str],
    unit: str,
    order: str = "",
    title: str = "",
) -> None:
    """Draw a panel for each currency with its largest values, the largest first; `details` go into the tooltip.

    With an `order` they stand in that of this column.
    """
    currencies = currencies_of(answer)
    tallest = min(TOP, max(answer.groupby("currency")[label].size(), default=0))
    for place, currency in panels(currencies):
        part = answer[answer["currency"] == currency].nlargest(TOP, value)
        part = part.sort_values(order) if order else part
        with place:
            heading = f"{title}, {currency}" if title else currency
            _bars(part, label, value, details, currency, unit, heading, height=_HEAD + _BAR * tallest)
            hidden = int((answer["currency"] == currency).sum()) - len(part)
            if hidden > 0:
                st.caption(f"and {hidden} more")


def _bars(
    part: pd.DataFrame,
    label: str,
    value: str,
    details: Mapping[str, str],
    currency: str,
    unit: str,
    heading: str,
    height: int,
) -> None:
    shown = part.assign(
        short=[figures.short(number, currency) for number in part[value]],
        exact=[figures.exact(number, currency) for number in part[value]],
        **{f"{name}_said": [_said(item) for item in part[name]] for name in details},
    )
    base = alt.Chart(shown, title=alt.TitleParams(heading, color=looks.colour_of(currency))).encode(
        y=alt.Y(f"{label}:N", sort=None, axis=alt.Axis(labelLimit=150, labelColor=looks.INK)),
        x=alt.X(f"{value}:Q", axis=None, scale=alt.Scale(domainMin=0, domainMax=float(shown[value].max()) * 1.22)),
        tooltip=[
            alt.Tooltip(f"{label}:N", title=label.replace("_", " ").capitalize()),
            alt.Tooltip("exact:N", title=unit),
            *(alt.Tooltip(f"{name}_said:N", title=title) for name, title in details.items()),
        ],
    )
    bars = base.mark_bar(color=looks.colour_of(currency), cornerRadiusEnd=3, height={"band": 0.68})
    texts = base.mark_text(align="left", dx=5, color=looks.MUTED, fontSize=12).encode(text="short:N")
    looks.show(bars + texts, height, f"{unit} by {label}, {currency}")


def heatmap(answer: pd.DataFrame, row: str, value: str, *, colour: str, unit: str, currency: str = "") -> None:
    """Draw a field for each `period` of an answer and the rows with the largest sums; darker is more."""
    largest = list(answer.groupby(row)[value].sum().nlargest(TOP + 2).index)
    periods = list(answer["period"].unique())
    shown = answer[answer[row].isin(largest)].groupby([row, "period"], as_index=False)[value].sum()
    shown = shown.assign(said=[figures.exact(number, currency) for number in shown[value]])
    heading = {"title": alt.TitleParams(currency, color=colour)} if currency else {}
    base = alt.Chart(shown, **heading).mark_rect(cornerRadius=2, stroke="white", strokeWidth=1)
    chart = base.encode(
        x=alt.X("period:O", sort=periods, scale=alt.Scale(domain=periods), axis=alt.Axis(labelAngle=0)),
        y=alt.Y(f"{row}:N", sort=largest, axis=alt.Axis(labelLimit=150, labelColor=looks.INK)),
        color=alt.Color(
            f"{value}:Q",
            scale=alt.Scale(range=["#e9eef0", colour], domainMin=0, interpolate="rgb"),
            legend=None,
        ),
        tooltip=[
            alt.Tooltip("period:N", title="When"),
            alt.Tooltip(f"{row}:N", title=row.capitalize()),
            alt.Tooltip("said:N", title=unit),
        ],
    )
    looks.show(chart, _HEAD + 24 * len(largest), f"{unit} by {row} {currency}")


def by_month(answer: pd.DataFrame) -> pd.DataFrame:
    """Return the answer in the order of its months, with each as a `period`."""
    ordered = answer.sort_values("month")
    return ordered.assign(period=ordered["month"].dt.strftime("%b %y"))


def by_week(answer: pd.DataFrame) -> pd.DataFrame:
    """Return the answer in the order of its weeks, with each as a `period`; all but the first few are `later`."""
    ordered = answer.sort_values("week")
    last = ordered["week"].min() + pd.Timedelta(weeks=WEEKS)
    return ordered.assign(period=ordered["week"].dt.strftime("%-d %b").where(ordered["week"] < last, "later"))


def stacked(
    answer: pd.DataFrame,
    parts: Mapping[str, tuple[str, str]],
    unit: str,
    *,
    currency: str = "",
    title: str = "",
    share: bool = False,
    height: int = 220,
) -> None:
    """Draw a bar a month of `parts`: by the name of the column what it is called and its colour."""
    long = answer.melt(id_vars=["month"], value_vars=list(parts), var_name="part", value_name="number")
    long = long.assign(
        said=[figures.exact(number, currency) for number in long["number"]],
        part=[parts[name][0] for name in long["part"]],
        order=[list(parts).index(name) for name in long["part"]],
    )
    chart = (
        alt.Chart(long, title=alt.TitleParams(title, color=looks.colour_of(currency) if currency else looks.INK))
        .mark_bar(cornerRadius=1)
        .encode(
            x=alt.X("yearmonth(month):T", axis=alt.Axis(format="%b %y", tickCount=6)),
            y=alt.Y(
                "number:Q",
                stack="normalize" if share else "zero",
                axis=alt.Axis(format=".0%", tickCount=4) if share else value_axis(),
            ),
            color=alt.Color(
                "part:N",
                scale=alt.Scale(
                    domain=[name for name, _ in parts.values()], range=[tone for _, tone in parts.values()]
                ),
            ),
            order="order:Q",
            tooltip=[month_tooltip(), alt.Tooltip("part:N", title="State"), alt.Tooltip("said:N", title=unit)],
        )
    )
    looks.show(chart, height, f"{unit} by month {title}")


def panels(names: Sequence[str]) -> list[tuple[st.delta_generator.DeltaGenerator, str]]:
    """Return a place for each of `names`, side by side where there is room."""
    return list(zip(st.columns(max(len(names), 1), gap="medium"), names, strict=False))


def month_axis() -> alt.X:
    """Return the axis of months."""
    return alt.X("month:T", axis=alt.Axis(format="%b %y", tickCount=8))


def month_tooltip() -> alt.Tooltip:
    """Return the line of a tooltip that says the month."""
    return alt.Tooltip("month:T", title="Month", format="%B %Y")


def value_axis() -> alt.Axis:
    """Return the axis of amounts and numbers, in short figures."""
    return alt.Axis(labelExpr=figures.AXIS, tickCount=5)


def _said(item: object) -> str:
    if isinstance(item, pd.Timestamp):
        return f"{item:%-d %b %Y}"
    return item if isinstance(item, str) else f"{item:,}"


def against(answer: pd.DataFrame, currency: str) -> None:
    """Draw revenue and spend of each month in one currency."""
    parts = {"revenue": ("Revenue", looks.colour_of(currency)), "spend": ("Spend", looks.CONTRAST)}
    long = answer.melt(id_vars=["month", "margin"], value_vars=list(parts), var_name="part", value_name="amount")
    long = long.assign(
        said=[figures.exact(number, currency) for number in long["amount"]],
        left=[figures.exact(number, currency) for number in long["margin"]],
        part=[parts[name][0] for name in long["part"]],
    )
    base = alt.Chart(long, title=alt.TitleParams(currency, color=looks.colour_of(currency))).encode(
        x=month_axis(),
        y=alt.Y("amount:Q", axis=value_axis()),
        color=alt.Color(
            "part:N",
            scale=alt.Scale(domain=[name for name, _ in parts.values()], range=[tone for _, tone in parts.values()]),
        ),
        tooltip=[
            month_tooltip(),
            alt.Tooltip("part:N", title="What"),
            alt.Tooltip("said:N", title="Amount"),
            alt.Tooltip("left:N", title="Revenue less spend"),
        ],
    )
    looks.show(
        base.mark_line(strokeWidth=2.2, interpolate="monotone") + base.mark_circle(size=40),
        240,
        f"Revenue and spend, {currency}",
    )


def spark(course: pd.DataFrame, currency: str) -> None:
    """Draw the course of an amount over its months, without axes, as a hint."""
    value = next(name for name in course.columns if name != "month")
    base = alt.Chart(course).encode(
        x=alt.X("month:T", axis=None), y=alt.Y(f"{value}:Q", axis=None, scale=alt.Scale(zero=True))
    )
    colour = looks.colour_of(currency)
    area = base.mark_area(color=colour, opacity=0.12, interpolate="monotone")
    looks.show(
        area + base.mark_line(color=colour, strokeWidth=1.8, interpolate="monotone"),
        54,
        f"{value} by month, {currency}",
    )


def durations(stages: pd.DataFrame) -> None:
    """Draw a bar a run of the seconds of its stages."""
    runs, names = list(stages["run"].unique()), list(stages["stage"].unique())
    stages = stages.assign(took=[figures.age(seconds) for seconds in stages["seconds"]])
    chart = (
        alt.Chart(stages)
        .mark_bar(cornerRadius=1, size=min(34, 420 // len(runs)))
        .encode(
            x=alt.X("run:N", sort=runs, axis=alt.Axis(labelAngle=0)),
            y=alt.Y("seconds:Q", axis=alt.Axis(tickCount=5)),
            color=alt.Color("stage:N", scale=alt.Scale(domain=names, range=list(looks.STAGES))),
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
    looks.show(chart, 260, "Seconds of each stage by run")


def ages(points: pd.DataFrame, allowed: float) -> None:
    """Draw the age of the warehouse over time against what is `allowed`, in minutes."""
    points = points.assign(minutes=points["seconds"] / 60, said=[figures.age(seconds) for seconds in points["seconds"]])
    most = max(allowed / 60 * 1.1, float(points["minutes"].max()) * 1.05)
    base = alt.Chart(points).encode(
        x=alt.X("at:T", axis=alt.Axis(format="%H:%M", tickCount=6)),
        y=alt.Y("minutes:Q", axis=alt.Axis(tickCount=5), scale=alt.Scale(domain=[0, most]), stack=None),
        tooltip=[alt.Tooltip("at:T", title="At", format="%-d %b %H:%M:%S"), alt.Tooltip("said:N", title="Age")],
    )
    limit = alt.Chart(pd.DataFrame({"minutes": [allowed / 60], "text": ["allowed"]})).encode(y="minutes:Q")
    rule = limit.mark_rule(color=looks.BAD, strokeDash=[5, 4])
    word = limit.mark_text(align="left", x=4, dy=-7, color=looks.BAD).encode(text="text:N")
    area = base.mark_area(color=looks.STAGES[0], opacity=0.12)
    looks.show(area + base.mark_line(color=looks.STAGES[0], strokeWidth=2) + rule + word, 260, "Age of the warehouse")


def batches(rows: pd.DataFrame, zone: str) -> None:
    """Draw the rows of each table in each batch of a zone."""
    numbers, tables = list(rows["batch"].unique()), sorted(rows["table"].unique())
    rows = rows.assign(said=[figures.short(number) if number else "" for number in rows["rows"]])
    base = alt.Chart(rows, title=zone.capitalize()).encode(
        x=alt.X(
            "batch:N",
            sort=numbers,
            axis=alt.Axis(labelAngle=0, labelExpr="'batch ' + datum.value" if len(numbers) < 6 else "datum.value"),
        ),
        y=alt.Y("table:N", sort=tables, axis=alt.Axis(labelLimit=150, labelColor=looks.INK)),
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
    texts = base.mark_text(fontSize=11, color=looks.INK).encode(text="said:N")
    looks.show(fields + texts if len(numbers) < 12 else fields, _HEAD + 22 * len(tables), f"Rows of each batch, {zone}")

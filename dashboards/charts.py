"""The kinds of charts that pages draw from an answer.

Amounts of different currencies are never added: a chart of amounts has a line for each currency, or there is a panel
for each.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import altair as alt
import pandas as pd
import streamlit as st

from dashboards import formatting, theme

TOP = 8
WEEKS = 6
_LATER = "later"
_BAR, _HEAD = 26, 26
_HIGH, _MIDDLE, _LOW, _SPARK = 280, 210, 130, 40


def currencies_of(answer: pd.DataFrame) -> list[str]:
    """Return the currencies of an answer, those of the house first."""
    found = answer["currency"].unique()
    return [*(code for code in theme.CURRENCIES if code in found), *sorted(set(found) - theme.CURRENCIES.keys())]


def monthly_lines(answer: pd.DataFrame, value: str, says: str, *, decimals: int = 0) -> None:
    """Draw a line for each currency, from month to month."""
    amounts = zip(answer[value], answer["currency"], strict=True)
    shown = answer.assign(said=[formatting.exact(amount, currency, decimals) for amount, currency in amounts])
    currencies = currencies_of(shown)
    base = alt.Chart(shown).encode(
        x=month_axis(),
        y=alt.Y(f"{value}:Q", axis=value_axis(), scale=alt.Scale(zero=decimals == 0, nice=True)),
        color=alt.Color("currency:N", scale=theme.scale(currencies)),
        tooltip=[month_tooltip(), alt.Tooltip("currency:N", title="Currency"), alt.Tooltip("said:N", title=says)],
    )
    theme.show(_line(base), _HIGH, says)


@dataclass(frozen=True, slots=True)
class Ranking:
    """How an answer is ranked: the columns of the label and of the amount, what that is, and what else a tooltip tells.

    With an `order` the bars stand in that of this column, else the largest amount comes first.
    """

    label: str
    amount: str
    unit: str
    details: Mapping[str, str]
    order: str = ""


def ranked(answer: pd.DataFrame, ranking: Ranking, title: str = "") -> None:
    """Draw a panel for each currency with its largest amounts."""
    sizes = answer.groupby("currency").size()
    for place, currency in panels(currencies_of(answer)):
        part = answer[answer["currency"] == currency].nlargest(TOP, ranking.amount)
        with place:
            heading = ", ".join(filter(None, (title, currency)))
            _bars(part, ranking, currency, heading, height=_HEAD + _BAR * min(TOP, sizes.max()))
            if sizes[currency] > TOP:
                st.caption(f"and {sizes[currency] - TOP} more")


def _bars(part: pd.DataFrame, ranking: Ranking, currency: str, heading: str, *, height: int) -> None:
    amounts, colour = part[ranking.amount], theme.colour_of(currency)
    shown = part.assign(
        short=[formatting.short(amount, currency) for amount in amounts],
        exact=[formatting.exact(amount, currency) for amount in amounts],
        **{f"{name}_said": [_said(item) for item in part[name]] for name in ranking.details},
    )
    shown = shown.sort_values(ranking.order) if ranking.order else shown
    room_for_text = alt.Scale(domainMin=0, domainMax=float(amounts.max()) * 1.25)
    base = alt.Chart(shown, title=alt.TitleParams(heading, color=colour)).encode(
        y=alt.Y(f"{ranking.label}:N", sort=None, axis=names_axis()),
        x=alt.X(f"{ranking.amount}:Q", axis=None, scale=room_for_text),
        tooltip=[
            alt.Tooltip(f"{ranking.label}:N", title=ranking.label.capitalize()),
            alt.Tooltip("exact:N", title=ranking.unit),
            *(alt.Tooltip(f"{name}_said:N", title=said) for name, said in ranking.details.items()),
        ],
    )
    bars = base.mark_bar(color=colour, cornerRadiusEnd=3, height={"band": 0.68})
    texts = base.mark_text(align="left", dx=5, color=theme.MUTED, fontSize=12).encode(text="short:N")
    theme.show(bars + texts, height, f"{ranking.unit} by {ranking.label}: {heading}")


def heatmap(answer: pd.DataFrame, row: str, value: str, *, colour: str, unit: str, currency: str = "") -> None:
    """Draw a field for each `period` of an answer and the rows with the largest sums; darker is more."""
    largest = list(answer.groupby(row)[value].sum().nlargest(TOP + 2).index)
    periods = list(answer["period"].cat.categories)
    shown = answer[answer[row].isin(largest)].groupby([row, "period"], as_index=False, observed=True)[value].sum()
    shown = shown.assign(
        period=shown["period"].astype(str), said=[formatting.exact(number, currency) for number in shown[value]]
    )
    shades = alt.Scale(range=["#e9eef0", colour], domainMin=0, interpolate="rgb")
    base = alt.Chart(shown, title=alt.TitleParams(currency, color=colour))
    chart = base.mark_rect(cornerRadius=2, stroke="white", strokeWidth=1).encode(
        x=alt.X("period:O", sort=periods, scale=alt.Scale(domain=periods), axis=alt.Axis(labelAngle=0)),
        y=alt.Y(f"{row}:N", sort=largest, axis=names_axis()),
        color=alt.Color(f"{value}:Q", scale=shades, legend=None),
        tooltip=[
            alt.Tooltip("period:N", title="When"),
            alt.Tooltip(f"{row}:N", title=row.capitalize()),
            alt.Tooltip("said:N", title=unit),
        ],
    )
    theme.show(chart, _HEAD + 24 * len(largest), f"{unit} by {row} {currency}")


def by_month(answer: pd.DataFrame) -> pd.DataFrame:
    """Return the answer with each month as a `period`; those in between are among its categories."""
    months = pd.date_range(answer["month"].min(), answer["month"].max(), freq="MS")
    return _with_periods(answer, answer["month"].dt.strftime("%b %y"), list(months.strftime("%b %y")))


def by_week(answer: pd.DataFrame) -> pd.DataFrame:
    """Return the answer with each week as a `period`, for a few weeks, and all that comes after them as `later`."""
    first = answer["week"].min()
    last = min(first + pd.Timedelta(weeks=WEEKS - 1), answer["week"].max())
    weeks = list(pd.date_range(first, last, freq="7D").strftime("%-d %b"))
    later = [_LATER] if (answer["week"] > last).any() else []
    return _with_periods(
        answer, answer["week"].dt.strftime("%-d %b").where(answer["week"] <= last, _LATER), weeks + later
    )


def _with_periods(answer: pd.DataFrame, periods: pd.Series, known: list[str]) -> pd.DataFrame:
    return answer.assign(period=pd.Categorical(periods, categories=known, ordered=True))


type Parts = Mapping[str, tuple[str, str]]
"""By the name of a column what it is called and its colour."""


def stacked(
    answer: pd.DataFrame, parts: Parts, unit: str, title: str, *, currency: str = "", share: bool = False
) -> None:
    """Draw a bar for each month, made of `parts`; a `share` of the whole, or else their sum in one currency."""
    long = _long(answer, parts, currency)
    axis = alt.Axis(format=".0%", tickCount=4) if share else value_axis()
    base = alt.Chart(long, title=alt.TitleParams(title, color=theme.colour_of(currency) if currency else theme.INK))
    chart = base.mark_bar(cornerRadius=1).encode(
        x=alt.X("yearmonth(month):T", axis=alt.Axis(format="%b %y", tickCount=6)),
        y=alt.Y("number:Q", stack="normalize" if share else "zero", axis=axis),
        color=_colours(parts),
        order="place:Q",
        tooltip=[month_tooltip(), alt.Tooltip("part:N", title="State"), alt.Tooltip("said:N", title=unit)],
    )
    theme.show(chart, _LOW if share else _MIDDLE, f"{unit} by month: {title}")


def against(answer: pd.DataFrame, currency: str) -> None:
    """Draw revenue and spend of each month in one currency."""
    parts = {"revenue": ("Revenue", theme.colour_of(currency)), "spend": ("Spend", theme.CONTRAST)}
    long = _long(answer, parts, currency)
    long = long.assign(left=[formatting.exact(margin, currency) for margin in long["margin"]])
    base = alt.Chart(long, title=alt.TitleParams(currency, color=theme.colour_of(currency))).encode(
        x=month_axis(),
        y=alt.Y("number:Q", axis=value_axis()),
        color=_colours(parts),
        tooltip=[
            month_tooltip(),
            alt.Tooltip("part:N", title="What"),
            alt.Tooltip("said:N", title="Amount"),
            alt.Tooltip("left:N", title="Revenue less spend"),
        ],
    )
    theme.show(_line(base), _MIDDLE, f"Revenue and spend by month: {currency}")


def spark(course: pd.DataFrame, currency: str) -> None:
    """Draw the course of an `amount` over its months, without axes, as a hint."""
    colour = theme.colour_of(currency)
    base = alt.Chart(course).encode(x=alt.X("month:T", axis=None), y=alt.Y("amount:Q", axis=None))
    area = base.mark_area(color=colour, opacity=0.12, interpolate="monotone")
    line = base.mark_line(color=colour, strokeWidth=1.8, interpolate="monotone")
    theme.show(area + line, _SPARK, f"By month: {currency}")


def panels(
    names: Sequence[str], gap: Literal["small", "medium"] = "medium"
) -> list[tuple[st.delta_generator.DeltaGenerator, str]]:
    """Return a place for each of `names`, side by side where there is room."""
    return list(zip(st.columns(max(len(names), 1), gap=gap), names, strict=False))


def month_axis() -> alt.X:
    """Return the axis of months."""
    return alt.X("month:T", axis=alt.Axis(format="%b %y", tickCount=8))


def month_tooltip() -> alt.Tooltip:
    """Return the line of a tooltip that says the month."""
    return alt.Tooltip("month:T", title="Month", format="%B %Y")


def value_axis() -> alt.Axis:
    """Return the axis of amounts and numbers, in short figures."""
    return alt.Axis(labelExpr=formatting.AXIS, tickCount=5)


def names_axis() -> alt.Axis:
    """Return the axis of names, which are cut off where they are very long."""
    return alt.Axis(labelLimit=165, labelColor=theme.INK)


def _line(base: alt.Chart) -> alt.LayerChart | alt.FacetChart:
    return alt.layer(base.mark_line(strokeWidth=2.2, interpolate="monotone"), base.mark_circle(size=42, opacity=1))


def _long(answer: pd.DataFrame, parts: Parts, currency: str) -> pd.DataFrame:
    """Return a row for each month and part: its `number`, what is `said` of it, and the part's name and place."""
    others = [name for name in answer.columns if name not in parts]
    long = answer.melt(id_vars=others, value_vars=list(parts), var_name="column", value_name="number")
    return long.assign(
        said=[formatting.exact(number, currency) for number in long["number"]],
        part=[parts[name][0] for name in long["column"]],
        place=[list(parts).index(name) for name in long["column"]],
    )


def _colours(parts: Parts) -> alt.Color:
    names, tones = zip(*parts.values(), strict=True)
    return alt.Color("part:N", scale=alt.Scale(domain=list(names), range=list(tones)))


def _said(item: object) -> str:
    if isinstance(item, pd.Timestamp):
        return f"{item:%-d %b %Y}"
    return item if isinstance(item, str) else f"{item:,}"

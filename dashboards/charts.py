"""The charts of the business pages.

Amounts of different currencies are never summed: a chart of amounts has a line or a panel for each currency.
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
    """Return the currencies of an answer, those with a colour of their own first."""
    codes = answer["currency"].unique()
    return [*(code for code in theme.CURRENCIES if code in codes), *sorted(set(codes) - theme.CURRENCIES.keys())]


def monthly_lines(answer: pd.DataFrame, value: str, label: str, *, decimals: int = 0) -> None:
    """Draw a line of monthly values for each currency."""
    amounts = zip(answer[value], answer["currency"], strict=True)
    data = answer.assign(text=[formatting.exact(amount, currency, decimals) for amount, currency in amounts])
    currencies = currencies_of(data)
    base = alt.Chart(data).encode(
        x=month_axis(),
        y=alt.Y(f"{value}:Q", axis=value_axis(), scale=alt.Scale(zero=decimals == 0, nice=True)),
        color=alt.Color("currency:N", scale=theme.scale(currencies)),
        tooltip=[month_tooltip(), alt.Tooltip("currency:N", title="Currency"), alt.Tooltip("text:N", title=label)],
    )
    theme.show(_line(base), _HIGH, label)


@dataclass(frozen=True, slots=True)
class Ranking:
    """A ranking: the columns of label and amount, the amount's name, and other columns of the tooltip with their names.

    Bars are sorted by the column `order`, or without it by amount, largest first.
    """

    label: str
    amount: str
    unit: str
    details: Mapping[str, str]
    order: str = ""


def ranked(answer: pd.DataFrame, ranking: Ranking, title: str = "") -> None:
    """Draw a panel of bars for each currency with its largest amounts."""
    sizes = answer.groupby("currency").size()
    for column, currency in panels(currencies_of(answer)):
        part = answer[answer["currency"] == currency].nlargest(TOP, ranking.amount)
        with column:
            heading = ", ".join(filter(None, (title, currency)))
            _bars(part, ranking, currency, heading, height=_HEAD + _BAR * min(TOP, sizes.max()))
            if sizes[currency] > TOP:
                st.caption(f"and {sizes[currency] - TOP} more")


def _bars(part: pd.DataFrame, ranking: Ranking, currency: str, heading: str, *, height: int) -> None:
    amounts, colour = part[ranking.amount], theme.colour_of(currency)
    data = part.assign(
        short=[formatting.short(amount, currency) for amount in amounts],
        exact=[formatting.exact(amount, currency) for amount in amounts],
        **{f"{name}_text": [_text(value) for value in part[name]] for name in ranking.details},
    )
    data = data.sort_values(ranking.order) if ranking.order else data
    scale = alt.Scale(domainMin=0, domainMax=float(amounts.max()) * 1.25)  # leaves space for the text
    base = alt.Chart(data, title=alt.TitleParams(heading, color=colour)).encode(
        y=alt.Y(f"{ranking.label}:N", sort=None, axis=names_axis()),
        x=alt.X(f"{ranking.amount}:Q", axis=None, scale=scale),
        tooltip=[
            alt.Tooltip(f"{ranking.label}:N", title=ranking.label.capitalize()),
            alt.Tooltip("exact:N", title=ranking.unit),
            *(alt.Tooltip(f"{name}_text:N", title=title) for name, title in ranking.details.items()),
        ],
    )
    bars = base.mark_bar(color=colour, cornerRadiusEnd=3, height={"band": 0.68})
    texts = base.mark_text(align="left", dx=5, color=theme.MUTED, fontSize=12).encode(text="short:N")
    theme.show(bars + texts, height, f"{ranking.unit} by {ranking.label}: {heading}")


def heatmap(answer: pd.DataFrame, row: str, value: str, *, colour: str, unit: str, currency: str = "") -> None:
    """Draw a heat map of `value` by `period`, for the values of `row` with the largest sums."""
    largest = list(answer.groupby(row)[value].sum().nlargest(TOP + 2).index)
    periods = list(answer["period"].cat.categories)
    data = answer[answer[row].isin(largest)].groupby([row, "period"], as_index=False, observed=True)[value].sum()
    data = data.assign(
        period=data["period"].astype(str), text=[formatting.exact(number, currency) for number in data[value]]
    )
    shades = alt.Scale(range=["#e9eef0", colour], domainMin=0, interpolate="rgb")
    base = alt.Chart(data, title=alt.TitleParams(currency, color=colour))
    chart = base.mark_rect(cornerRadius=2, stroke="white", strokeWidth=1).encode(
        x=alt.X("period:O", sort=periods, scale=alt.Scale(domain=periods), axis=alt.Axis(labelAngle=0)),
        y=alt.Y(f"{row}:N", sort=largest, axis=names_axis()),
        color=alt.Color(f"{value}:Q", scale=shades, legend=None),
        tooltip=[
            alt.Tooltip("period:N", title="Period"),
            alt.Tooltip(f"{row}:N", title=row.capitalize()),
            alt.Tooltip("text:N", title=unit),
        ],
    )
    theme.show(chart, _HEAD + 24 * len(largest), f"{unit} by {row} {currency}")


def by_month(answer: pd.DataFrame) -> pd.DataFrame:
    """Return the answer with its month as the categorical column `period`; months without rows are categories too."""
    months = pd.date_range(answer["month"].min(), answer["month"].max(), freq="MS")
    return _with_periods(answer, answer["month"].dt.strftime("%b %y"), list(months.strftime("%b %y")))


def by_week(answer: pd.DataFrame) -> pd.DataFrame:
    """Return the answer with its week as the categorical column `period`, for `WEEKS` weeks; later ones are `later`."""
    first = answer["week"].min()
    last = min(first + pd.Timedelta(weeks=WEEKS - 1), answer["week"].max())
    weeks = list(pd.date_range(first, last, freq="7D").strftime("%-d %b"))
    later = [_LATER] if (answer["week"] > last).any() else []
    return _with_periods(
        answer, answer["week"].dt.strftime("%-d %b").where(answer["week"] <= last, _LATER), weeks + later
    )


def _with_periods(answer: pd.DataFrame, periods: pd.Series, categories: list[str]) -> pd.DataFrame:
    return answer.assign(period=pd.Categorical(periods, categories=categories, ordered=True))


type Parts = Mapping[str, tuple[str, str]]
"""The label and the colour of each stacked column, by the column's name."""


def stacked(
    answer: pd.DataFrame, parts: Parts, unit: str, title: str, *, currency: str = "", share: bool = False
) -> None:
    """Draw a stacked bar for each month of `parts`: as a `share` of the total, or as sums in one currency."""
    long = _long(answer, parts, currency)
    axis = alt.Axis(format=".0%", tickCount=4) if share else value_axis()
    base = alt.Chart(long, title=alt.TitleParams(title, color=theme.colour_of(currency) if currency else theme.INK))
    chart = base.mark_bar(cornerRadius=1).encode(
        x=alt.X("yearmonth(month):T", axis=alt.Axis(format="%b %y", tickCount=6)),
        y=alt.Y("number:Q", stack="normalize" if share else "zero", axis=axis),
        color=_colours(parts),
        order="position:Q",
        tooltip=[month_tooltip(), alt.Tooltip("part:N", title="State"), alt.Tooltip("text:N", title=unit)],
    )
    theme.show(chart, _LOW if share else _MIDDLE, f"{unit} by month: {title}")


def revenue_and_spend(answer: pd.DataFrame, currency: str) -> None:
    """Draw lines of monthly revenue and spend in one currency."""
    parts = {"revenue": ("Revenue", theme.colour_of(currency)), "spend": ("Spend", theme.CONTRAST)}
    long = _long(answer, parts, currency)
    long = long.assign(margin_text=[formatting.exact(margin, currency) for margin in long["margin"]])
    base = alt.Chart(long, title=alt.TitleParams(currency, color=theme.colour_of(currency))).encode(
        x=month_axis(),
        y=alt.Y("number:Q", axis=value_axis()),
        color=_colours(parts),
        tooltip=[
            month_tooltip(),
            alt.Tooltip("part:N", title="Measure"),
            alt.Tooltip("text:N", title="Amount"),
            alt.Tooltip("margin_text:N", title="Margin"),
        ],
    )
    theme.show(_line(base), _MIDDLE, f"Revenue and spend by month: {currency}")


def sparkline(trend: pd.DataFrame, currency: str) -> None:
    """Draw the monthly trend of an `amount` without axes."""
    colour = theme.colour_of(currency)
    base = alt.Chart(trend).encode(x=alt.X("month:T", axis=None), y=alt.Y("amount:Q", axis=None))
    area = base.mark_area(color=colour, opacity=0.12, interpolate="monotone")
    line = base.mark_line(color=colour, strokeWidth=1.8, interpolate="monotone")
    theme.show(area + line, _SPARK, f"By month: {currency}")


def panels(
    names: Sequence[str], gap: Literal["small", "medium"] = "medium"
) -> list[tuple[st.delta_generator.DeltaGenerator, str]]:
    """Return a column of the page for each of `names`."""
    return list(zip(st.columns(max(len(names), 1), gap=gap), names, strict=False))


def month_axis() -> alt.X:
    """Return the axis of months."""
    return alt.X("month:T", axis=alt.Axis(format="%b %y", tickCount=8))


def month_tooltip() -> alt.Tooltip:
    """Return the tooltip of the month."""
    return alt.Tooltip("month:T", title="Month", format="%B %Y")


def value_axis() -> alt.Axis:
    """Return the axis of amounts and numbers, with short labels such as 1.2m."""
    return alt.Axis(labelExpr=formatting.AXIS, tickCount=5)


def names_axis() -> alt.Axis:
    """Return the axis of names; very long ones are truncated."""
    return alt.Axis(labelLimit=165, labelColor=theme.INK)


def _line(base: alt.Chart) -> alt.LayerChart | alt.FacetChart:
    return alt.layer(base.mark_line(strokeWidth=2.2, interpolate="monotone"), base.mark_circle(size=42, opacity=1))


def _long(answer: pd.DataFrame, parts: Parts, currency: str) -> pd.DataFrame:
    """Return a row for each month and part: its `number` also as `text`, and the part's label and position."""
    others = [name for name in answer.columns if name not in parts]
    long = answer.melt(id_vars=others, value_vars=list(parts), var_name="column", value_name="number")
    return long.assign(
        text=[formatting.exact(number, currency) for number in long["number"]],
        part=[parts[name][0] for name in long["column"]],
        position=[list(parts).index(name) for name in long["column"]],
    )


def _colours(parts: Parts) -> alt.Color:
    labels, colours = zip(*parts.values(), strict=True)
    return alt.Color("part:N", scale=alt.Scale(domain=list(labels), range=list(colours)))


def _text(value: object) -> str:
    if isinstance(value, pd.Timestamp):
        return f"{value:%-d %b %Y}"
    return value if isinstance(value, str) else f"{value:,}"

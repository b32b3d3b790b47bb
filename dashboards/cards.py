"""What pages are made of: cards, tiles, and what is said where there is nothing to show."""

import html
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import pandas as pd
import streamlit as st

from dashboards import charts, formatting, theme, warehouse
from dashboards.filters import Filters
from dashboards.questions import Question, read
from dashboards.warehouse import LatestBatch
from local_aws.visible_text import visible

WAY_OUT = (
    "No local world is up. `make run` makes one and fills it; `totelake up` starts it again.",
    "This page comes back by itself.",
)
"""What is said where a world should be."""


@dataclass(frozen=True, slots=True)
class PageContext:
    """Where a page asks its questions: the warehouse, the newest batch in it, and what the filters let pass."""

    page: str
    url: str
    newest: LatestBatch
    filters: Filters

    def ask(self, name: str) -> pd.DataFrame:
        """Return the answer to a question of the page; it is remembered until the next batch, for a minute at most."""
        return _remembered(self.url, self.newest, read(self.page, name), self.filters)


@st.cache_data(ttl=60, max_entries=500, show_spinner=False)
def _remembered(url: str, newest: LatestBatch, question: Question, filters: Filters) -> pd.DataFrame:  # noqa: ARG001
    return warehouse.ask(url, question, filters)


@contextmanager
def card(key: str, title: str, unit: str) -> Iterator[None]:
    """Put what the block shows on a card with a `title` and below it the `unit`."""
    with st.container(border=True, key=f"card-{key}", height="stretch"):
        st.html(f'<h3>{text(title)}</h3><p class="unit">{text(unit)}</p>')
        yield


def answered(desk: PageContext, name: str, unit: str, draw: Callable[[pd.DataFrame], None], none: str = "") -> None:
    """Show the answer to a question on a card, or that there is none."""
    question = read(desk.page, name)
    told = (unit, f"data of {formatting.moment(desk.newest.snapshot_taken_at)}", question.notes)
    with card(f"{desk.page}-{name}", question.asks, " · ".join(filter(None, told))):
        answer = desk.ask(name)
        if answer.empty:
            nothing(none or "Nothing passes these filters.")
        else:
            draw(answer)


def tiles(answer: pd.DataFrame, value: str, label: str, counted: Mapping[str, str]) -> None:
    """Show a tile for each currency of a monthly answer: the sum of `value`, its course, and what else was counted."""
    for place, currency in charts.panels(charts.currencies_of(answer), gap="small"):
        part = answer[answer["currency"] == currency]
        told = " · ".join(f"{formatting.short(part[name].sum())} {noun}" for name, noun in counted.items())
        with place:
            tile(
                f"{label} in {currency}",
                part[value].sum(),
                currency,
                told,
                part[["month", value]].rename(columns={value: "amount"}),
            )


def tile(label: str, amount: float, currency: str, told: str, course: pd.DataFrame | None = None) -> None:
    """Show an amount with its `label`, what is `told` of it, and its `course` where there are several months."""
    with st.container(border=True, key=f"card-tile-{label}"):
        st.html(
            f'<p class="tile-label"><span style="background:{theme.colour_of(currency)}"></span>'
            f"{text(label)}</p>"
            f'<p class="tile-value">{text(formatting.short(amount, currency))}</p><p class="unit">{text(told)}</p>'
        )
        if course is not None and len(course) > 1:
            charts.spark(course, currency)


def small_tiles(shown: Sequence[tuple[str, str, str, bool]]) -> None:
    """Show a row of tiles: a label, a value, what it is measured by, and whether it is bad."""
    st.html(
        '<div class="tiles">'
        + "".join(
            f'<div class="{"bad" if bad else ""}"><p class="tile-label">{text(label)}</p>'
            f'<p class="tile-value">{text(value)}</p><p class="unit">{text(unit)}</p></div>'
            for label, value, unit, bad in shown
        )
        + "</div>"
    )


def table(
    headings: Sequence[str], rows: Sequence[Sequence[str]], *, numbers_from: int = 99, bad: Sequence[bool] = ()
) -> None:
    """Show a table; columns from `numbers_from` on hold numbers, and rows that are `bad` stand out."""

    def line(cells: Sequence[str], tag: str, *, is_bad: bool) -> str:
        shown = "".join(
            f'<{tag} class="{"number" if place >= numbers_from else ""}">{text(cell)}</{tag}>'
            for place, cell in enumerate(cells)
        )
        return f'<tr class="{"bad" if is_bad else ""}">{shown}</tr>'

    marks = bad or [False] * len(rows)
    body = "".join(line(row, "td", is_bad=mark) for row, mark in zip(rows, marks, strict=True))
    st.html(f'<div class="table"><table>{line(headings, "th", is_bad=False)}{body}</table></div>')


def nothing(sentence: str) -> None:
    """Say on a card that there is nothing to show; a command stands in backquotes."""
    st.html(f'<div class="none">{_sentence(sentence)}</div>')


def state(title: str, *sentences: str) -> None:
    """Say, in place of a page, why there is nothing to show and what to do; a command stands in backquotes."""
    st.html(f'<div class="state"><h2>{text(title)}</h2>{"".join(map(_sentence, sentences))}</div>')


def text(value: str) -> str:
    """Return text from outside as HTML that shows it as it is, with control characters as escapes."""
    return html.escape(visible(value))


def _sentence(sentence: str) -> str:
    parts = text(sentence).split("`")
    return "<p>" + "".join(f"<code>{part}</code>" if at % 2 else part for at, part in enumerate(parts)) + "</p>"

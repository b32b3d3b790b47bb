"""What pages are made of: cards, tiles, and what is said where there is nothing to show."""

import html
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import pandas as pd
import streamlit as st

from dashboards import figures, looks, warehouse
from dashboards.filters import Filters
from dashboards.questions import Question, read
from dashboards.warehouse import Newest


@dataclass(frozen=True, slots=True)
class Desk:
    """Where a page asks: the warehouse, the newest batch in it, and what the reader's filters let pass."""

    url: str
    newest: Newest
    filters: Filters

    def ask(self, question: Question) -> pd.DataFrame:
        """Return the answer to a question; one that was asked before is remembered until the next batch."""
        return _remembered(self.url, self.newest, question, self.filters)


@st.cache_data(ttl=60, max_entries=500, show_spinner=False)
def _remembered(url: str, newest: Newest, question: Question, filters: Filters) -> pd.DataFrame:  # noqa: ARG001
    return warehouse.ask(url, question, filters)


@contextmanager
def card(key: str, title: str, unit: str) -> Iterator[None]:
    """Put what the block shows on a card with a `title` and below it the `unit`."""
    with st.container(border=True, key=f"card-{key}"):
        st.html(f'<h3>{html.escape(title)}</h3><p class="unit">{html.escape(unit)}</p>')
        yield


def answered(desk: Desk, page: str, name: str, unit: str, draw: Any, nothing: str = "") -> None:
    """Show the answer to a question on a card, or that there is none."""
    question = read(page, name)
    notes = f" · {question.notes}" if question.notes else ""
    with card(f"{page}-{name}", question.asks, f"{unit} · as of {figures.moment(desk.newest.snapshot_taken_at)}{notes}"):
        answer = desk.ask(question)
        if answer.empty:
            st.html(f'<div class="none">{html.escape(nothing or "Nothing passes these filters.")}</div>')
        else:
            draw(answer)


def tiles(answer: pd.DataFrame, value: str, label: str, counted: Sequence[tuple[str, str]]) -> None:
    """Show a tile for each currency of a monthly answer: the sum of `value`, how it went, and what else was counted."""
    from dashboards.charts import currencies_of, panels

    for place, currency in panels(currencies_of(answer)):
        part = answer[answer["currency"] == currency].sort_values("month")
        told = " · ".join(f"{figures.short(part[name].sum())} {noun}" for name, noun in counted)
        with place, st.container(border=True, key=f"card-tile-{currency}"):
            st.metric(f":material/circle: {label} in {currency}", figures.short(part[value].sum(), currency))
            st.caption(told)


def state(title: str, *sentences: str) -> None:
    """Say, in place of a page, why there is nothing to show and what to do; a command stands in backquotes."""
    st.html(f'<div class="state"><h2>{html.escape(title)}</h2>{"".join(map(_sentence, sentences))}</div>')


def _sentence(text: str) -> str:
    parts = html.escape(text).split("`")
    return "<p>" + "".join(f"<code>{part}</code>" if at % 2 else part for at, part in enumerate(parts)) + "</p>"

"""The elements of pages: cards, tiles, tables, and messages in place of data."""

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

HOW_TO_START = (
    "No local environment is running. `make run` creates and fills one; `totelake up` starts an existing one.",
    "This page reloads automatically.",
)
"""The message of a page without a running local environment."""


@dataclass(frozen=True, slots=True)
class PageContext:
    """The data source of a page: the warehouse, its latest batch, and the selected filters."""

    page: str
    url: str
    latest: LatestBatch
    filters: Filters

    def answer(self, name: str) -> pd.DataFrame:
        """Return the answer to a question of the page, cached until the next batch, for a minute at most."""
        return _cached_answer(self.url, self.latest, read(self.page, name), self.filters)


@st.cache_data(ttl=60, max_entries=500, show_spinner=False)
def _cached_answer(
    url: str,
    latest: LatestBatch,  # noqa: ARG001 - a part of the cache key
    question: Question,
    filters: Filters,
) -> pd.DataFrame:
    return warehouse.answer(url, question, filters)


@contextmanager
def card(key: str, title: str, subtitle: str) -> Iterator[None]:
    """Show the elements of the block on a card with a title and a subtitle."""
    with st.container(border=True, key=f"card-{key}", height="stretch"):
        st.html(f'<h3>{text(title)}</h3><p class="unit">{text(subtitle)}</p>')
        yield


def answer_card(
    context: PageContext, name: str, unit: str, draw: Callable[[pd.DataFrame], None], when_empty: str = ""
) -> None:
    """Show the answer to a question on a card, or the message `when_empty`."""
    question = read(context.page, name)
    subtitle = (unit, f"data of {formatting.moment(context.latest.snapshot_taken_at)}", question.notes)
    with card(f"{context.page}-{name}", question.title, " · ".join(filter(None, subtitle))):
        answer = context.answer(name)
        if answer.empty:
            empty_note(when_empty or "No data matches these filters.")
        else:
            draw(answer)


def tiles(answer: pd.DataFrame, value: str, label: str, counts: Mapping[str, str]) -> None:
    """Show a tile for each currency of a monthly answer: the sum of `value`, its trend, and the sums of `counts`."""
    for column, currency in charts.panels(charts.currencies_of(answer), gap="small"):
        part = answer[answer["currency"] == currency]
        details = " · ".join(f"{formatting.short(part[name].sum())} {noun}" for name, noun in counts.items())
        with column:
            tile(
                f"{label} in {currency}",
                part[value].sum(),
                currency,
                details,
                part[["month", value]].rename(columns={value: "amount"}),
            )


def tile(label: str, amount: float, currency: str, details: str, trend: pd.DataFrame | None = None) -> None:
    """Show an amount with its label and details, and its monthly trend if there are several months."""
    with st.container(border=True, key=f"card-tile-{label}"):
        st.html(
            f'<p class="tile-label"><span style="background:{theme.colour_of(currency)}"></span>'
            f"{text(label)}</p>"
            f'<p class="tile-value">{text(formatting.short(amount, currency))}</p><p class="unit">{text(details)}</p>'
        )
        if trend is not None and len(trend) > 1:
            charts.sparkline(trend, currency)


def small_tiles(contents: Sequence[tuple[str, str, str, bool]]) -> None:
    """Show a row of tiles: label, value, unit, and whether the value is bad."""
    st.html(
        '<div class="tiles">'
        + "".join(
            f'<div class="{"bad" if bad else ""}"><p class="tile-label">{text(label)}</p>'
            f'<p class="tile-value">{text(value)}</p><p class="unit">{text(unit)}</p></div>'
            for label, value, unit, bad in contents
        )
        + "</div>"
    )


def table(
    headings: Sequence[str], rows: Sequence[Sequence[str]], *, numbers_from: int = 99, bad: Sequence[bool] = ()
) -> None:
    """Show a table with numbers in the columns from `numbers_from` on, and `bad` rows highlighted."""

    def line(cells: Sequence[str], tag: str, *, is_bad: bool) -> str:
        content = "".join(
            f'<{tag} class="{"number" if index >= numbers_from else ""}">{text(cell)}</{tag}>'
            for index, cell in enumerate(cells)
        )
        return f'<tr class="{"bad" if is_bad else ""}">{content}</tr>'

    flags = bad or [False] * len(rows)
    body = "".join(line(row, "td", is_bad=flag) for row, flag in zip(rows, flags, strict=True))
    st.html(f'<div class="table"><table>{line(headings, "th", is_bad=False)}{body}</table></div>')


def empty_note(sentence: str) -> None:
    """Show a sentence in place of a card's data; text in backquotes is shown as code."""
    st.html(f'<div class="none">{_sentence(sentence)}</div>')


def empty_page(title: str, *sentences: str) -> None:
    """Show a title and sentences in place of a page's data; text in backquotes is shown as code."""
    st.html(f'<div class="state"><h2>{text(title)}</h2>{"".join(map(_sentence, sentences))}</div>')


def text(value: str) -> str:
    """Return untrusted text as escaped HTML, with control characters as escapes."""
    return html.escape(visible(value))


def _sentence(sentence: str) -> str:
    parts = text(sentence).split("`")
    return "<p>" + "".join(f"<code>{part}</code>" if index % 2 else part for index, part in enumerate(parts)) + "</p>"

"""What is to be paid and was paid, in both directions."""

import pandas as pd
import streamlit as st

from dashboards import charts, controls, formatting, theme
from dashboards.cards import PageContext, answered, tile
from dashboards.charts import Ranking
from dashboards.filters import Filters
from dashboards.warehouse import FilterChoices

TITLE = "Payments"
_IN, _OUT = "SALES_RECEIPT", "PURCHASE_PAYMENT"
_OVERDUE = 4  # of the ages, the last one that is past its day
_KINDS = {
    _IN: "Receipts for sales",
    _OUT: "Payments for purchases",
    "SALES_REFUND": "Refunds of sales",
    "PURCHASE_REFUND": "Refunds of purchases",
}


def filters(choices: FilterChoices) -> Filters:
    """Show the filters of the page and return what they are set to."""
    return controls.filters(choices, choices.payments, "Due", ahead=True)


def show(desk: PageContext) -> None:
    """Draw the page."""
    _unpaid(desk.ask("unpaid_by_age"))
    answered(desk, "due_by_month", "Amount due, in each currency", _due)
    left, right = st.columns([2, 1])
    with left:
        answered(desk, "paid_on_time", "Share of the payments that fell due", _on_time)
    with right:
        answered(
            desk,
            "refunds",
            "Amount refunded, in each currency",
            _refunds,
            "No refund falls into this time.",
        )
    answered(desk, "unpaid_by_age", "Amount unpaid, in each currency", _ages, "Nothing is unpaid.")
    answered(desk, "overdue_by_counterparty", "Amount overdue, in each currency", _overdue, "Nothing is overdue.")


def _unpaid(answer: pd.DataFrame) -> None:
    for kind, label in ((_IN, "Still to receive"), (_OUT, "Still to pay")):
        of_kind = answer[answer["payment_type"] == kind]
        for place, currency in charts.panels(charts.currencies_of(answer), gap="small"):
            part = of_kind[of_kind["currency"] == currency]
            overdue = part[part["age_number"] <= _OVERDUE]["amount"].sum()
            told = f"{part['payments'].sum():,} payments · {formatting.short(overdue, currency)} overdue"
            with place:
                tile(f"{label} in {currency}", part["amount"].sum(), currency, told)


def _due(answer: pd.DataFrame) -> None:
    for kind, part in _by_kind(answer):
        for place, currency in charts.panels(charts.currencies_of(answer)):
            colour = theme.colour_of(currency)
            shown = part[part["currency"] == currency]
            if shown.empty:
                continue
            with place:
                parts = {"paid": ("Paid", colour), "unpaid": ("Unpaid", theme.CONTRAST)}
                title = f"{_KINDS[kind]}, {currency}"
                charts.stacked(shown, parts, "Amount", title, currency=currency)


def _on_time(answer: pd.DataFrame) -> None:
    parts = {"on_time": ("On time", theme.ON_TIME), "late": ("Late", theme.LATE), "unpaid": ("Unpaid", theme.UNPAID)}
    for kind, part in _by_kind(answer):
        charts.stacked(part, parts, "Payments", _KINDS[kind], share=True)


def _refunds(answer: pd.DataFrame) -> None:
    for kind, part in _by_kind(answer):
        st.caption(_KINDS[kind])
        charts.monthly_lines(part, "amount", "Refunded")


def _ages(answer: pd.DataFrame) -> None:
    for kind, part in _by_kind(answer):
        charts.ranked(part, Ranking("age", "amount", "Amount", {"payments": "Payments"}, "age_number"), _KINDS[kind])


def _overdue(answer: pd.DataFrame) -> None:
    details = {"payments": "Payments", "due_since": "Due since"}
    for kind, part in _by_kind(answer):
        charts.ranked(part, Ranking("counterparty", "amount", "Amount", details), _KINDS[kind])


def _by_kind(answer: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """Return the parts of an answer that are of one type of payment: what comes in is not added to what goes out."""
    return [(kind, part) for kind in _KINDS if not (part := answer[answer["payment_type"] == kind]).empty]

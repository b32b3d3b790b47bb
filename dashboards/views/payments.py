"""The page Payments: receivables and payables."""

import pandas as pd
import streamlit as st

from dashboards import charts, controls, formatting, theme
from dashboards.cards import PageContext, answer_card, tile
from dashboards.charts import Ranking
from dashboards.filters import Filters
from dashboards.warehouse import FilterChoices

TITLE = "Payments"
_IN, _OUT = "SALES_RECEIPT", "PURCHASE_PAYMENT"
_LAST_OVERDUE_AGE = 4  # the number of the last age group that is overdue
_KINDS = {
    _IN: "Receipts for sales",
    _OUT: "Payments for purchases",
    "SALES_REFUND": "Refunds of sales",
    "PURCHASE_REFUND": "Refunds of purchases",
}


def filters(choices: FilterChoices) -> Filters:
    """Show the filters of the page and return their values."""
    return controls.filters(choices, choices.payments, "Due", with_future=True)


def show(context: PageContext) -> None:
    """Draw the page."""
    _unpaid(context.answer("unpaid_by_age"))
    answer_card(context, "due_by_month", "Amount due, by currency", _due)
    left, right = st.columns([2, 1])
    with left:
        answer_card(context, "paid_on_time", "Share of the payments due", _on_time)
    with right:
        answer_card(
            context, "refunds", "Amount refunded, by currency", _refunds, "There are no refunds in this period."
        )
    answer_card(context, "unpaid_by_age", "Amount unpaid, by currency", _ages, "There are no unpaid payments.")
    answer_card(
        context,
        "overdue_by_counterparty",
        "Amount overdue, by currency",
        _overdue,
        "There are no overdue payments.",
    )


def _unpaid(answer: pd.DataFrame) -> None:
    for kind, label in ((_IN, "Receivable"), (_OUT, "Payable")):
        of_kind = answer[answer["payment_type"] == kind]
        for column, currency in charts.panels(charts.currencies_of(answer), gap="small"):
            part = of_kind[of_kind["currency"] == currency]
            overdue = part[part["age_number"] <= _LAST_OVERDUE_AGE]["amount"].sum()
            details = f"{part['payments'].sum():,} payments · {formatting.short(overdue, currency)} overdue"
            with column:
                tile(f"{label} in {currency}", part["amount"].sum(), currency, details)


def _due(answer: pd.DataFrame) -> None:
    for kind, part in _by_kind(answer):
        for column, currency in charts.panels(charts.currencies_of(answer)):
            colour = theme.colour_of(currency)
            in_currency = part[part["currency"] == currency]
            if in_currency.empty:
                continue
            with column:
                parts = {"paid": ("Paid", colour), "unpaid": ("Unpaid", theme.CONTRAST)}
                title = f"{_KINDS[kind]}, {currency}"
                charts.stacked(in_currency, parts, "Amount", title, currency=currency)


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
    """Return the parts of an answer by payment type, since receipts and payments must not be summed."""
    return [(kind, part) for kind in _KINDS if not (part := answer[answer["payment_type"] == kind]).empty]

"""What is to be paid and was paid, in both directions."""

from functools import partial

import pandas as pd

from dashboards import charts, controls, looks
from dashboards.cards import Desk, answered, tiles
from dashboards.filters import Filters
from dashboards.questions import read
from dashboards.warehouse import Choices

import streamlit as st

TITLE = "Payments"


def filters(choices: Choices) -> Filters:
    """Show the filters of the page and return what they are set to."""
    return controls.filters(choices, choices.payments, "Due")


def show(desk: Desk) -> None:
    """Draw the page."""
    due = desk.ask(read("payments", "due_by_month"))
    tiles(due[due["payment_type"] == "SALES_RECEIPT"], "unpaid", "Unpaid", (("payments", "payments"),))
    answered(desk, "payments", "due_by_month", "Amount due, in each currency", _due)
    left, right = st.columns(2)
    with left:
        answered(desk, "payments", "paid_on_time", "Share of payments", _on_time)
    answered(desk, "payments", "unpaid_by_age", "Amount unpaid, in each currency", _ages)
    answered(desk, "payments", "overdue_by_counterparty", "Amount overdue, in each currency", _overdue)
    answered(desk, "payments", "refunds", "Amount refunded, in each currency", _due, "No refund in this time: none has been made.")


def _due(answer: pd.DataFrame) -> None:
    for place, currency in charts.panels(charts.currencies_of(answer)):
        with place:
            for kind in sorted(answer["payment_type"].unique(), reverse=True):
                part = answer[(answer["currency"] == currency) & (answer["payment_type"] == kind)]
                charts.stacked(
                    part, {"paid": ("Paid", looks.colour_of(currency)), "unpaid": ("Unpaid", looks.CONTRAST)},
                    "Amount", currency=currency, title=f"{currency} {kind}",
                )

def _on_time(answer: pd.DataFrame) -> None: ...
def _ages(answer: pd.DataFrame) -> None: ...
def _overdue(answer: pd.DataFrame) -> None: ...

"""The QuickSight visual of each question: its kind, groups, measures and order.

Amounts of different currencies are never summed: a visual of an amount is grouped by currency.
"""

from dataclasses import dataclass, replace
from typing import Literal

CURRENCY = "currency"
TOP = 10

type Aggregation = Literal["SUM", "AVERAGE", "MIN", "MAX"]


@dataclass(frozen=True, slots=True)
class SortKey:
    """A column by which a visual is sorted, with the aggregation and the direction."""

    column: str
    direction: Literal["ASC", "DESC"] = "ASC"
    aggregation: Aggregation = "SUM"


@dataclass(frozen=True, slots=True)
class Visual:
    """The visual of a question.

    `groups` is the category column of a chart, or the group columns of a table. `color` is the column that colours the
    marks of a category, `panels` the column with one small multiple per value, and `values` the aggregation of each
    measure. A chart shows the first `limit` categories, or all for 0.
    """

    kind: Literal["bars", "lines", "table"]
    groups: tuple[str, ...]
    values: dict[str, Aggregation]
    color: str = ""
    panels: str = ""
    order: tuple[SortKey, ...] = ()
    stacked: bool = False
    horizontal: bool = False
    limit: int = 0
    note: str = ""

    @property
    def dimensions(self) -> tuple[str, ...]:
        """The columns by which its measures are grouped."""
        return (*self.groups, *filter(None, (self.color, self.panels)))


def _lines(*values: str, color: str = "", panels: str = "") -> Visual:
    return Visual("lines", ("month",), dict.fromkeys(values, "SUM"), color, panels, (SortKey("month"),))


def _bars(over: str, *values: str, color: str = "", panels: str = "", stacked: bool = False) -> Visual:
    return Visual("bars", (over,), dict.fromkeys(values, "SUM"), color, panels, (SortKey(over),), stacked)


def _ranking(by: str, amount: str, quantity: str) -> Visual:
    """Return bars sorted by a quantity, since sorting by the amount would sum currencies."""
    order = (SortKey(quantity, "DESC"),)
    note = f"The top {TOP} by {quantity}."
    return Visual("bars", (by,), {amount: "SUM"}, CURRENCY, "", order, horizontal=True, limit=TOP, note=note)


def _table(groups: tuple[str, ...], *values: str, order: tuple[SortKey, ...]) -> Visual:
    return Visual("table", groups, dict.fromkeys(values, "SUM"), order=order)


_BY_AGE = replace(
    _bars("age", "amount", color="payment_type", panels=CURRENCY), order=(SortKey("age_number", "ASC", "MIN"),)
)
_OVERDUE = _table(
    (CURRENCY, "payment_type", "counterparty"),
    "payments",
    "amount",
    order=(SortKey(CURRENCY), SortKey("amount", "DESC")),
)
_FRESHNESS = _table(("table_name",), "records", order=(SortKey("table_name"),))

VISUALS: dict[str, dict[str, Visual]] = {
    "sales": {
        "revenue_by_month": _lines("revenue", color=CURRENCY),
        "average_unit_price": replace(_lines(color=CURRENCY), values={"average_unit_price": "AVERAGE"}),
        "revenue_by_design": _ranking("design", "revenue", "units"),
        "revenue_by_counterparty": _ranking("counterparty", "revenue", "units"),
        "revenue_by_country": _ranking("country", "revenue", "units"),
        "revenue_by_department": _ranking("department", "revenue", "units"),
        "revenue_by_staff": _table(
            (CURRENCY, "staff", "department"),
            *("orders", "units", "revenue"),
            order=(SortKey(CURRENCY), SortKey("revenue", "DESC")),
        ),
        "deliveries_due": _bars("week", "units", color="country", stacked=True),
    },
    "purchases": {
        "spend_by_month": _lines("spend", color=CURRENCY),
        "spend_against_revenue": _lines("revenue", "spend", panels=CURRENCY),
        "spend_by_supplier": _ranking("supplier", "spend", "items"),
        "spend_by_supplier_and_month": _lines("spend", color="supplier", panels=CURRENCY),
        "deliveries_due": _bars("week", "items", color="supplier", stacked=True),
    },
    "payments": {
        "unpaid_by_age": _BY_AGE,
        "paid_on_time": _bars("month", "on_time", "late", "unpaid", panels="payment_type", stacked=True),
        "due_by_month": _table(
            ("month", "payment_type", CURRENCY),
            *("payments", "due", "paid", "unpaid"),
            order=(SortKey("month", "DESC"), SortKey("payment_type"), SortKey(CURRENCY)),
        ),
        "overdue_by_counterparty": replace(_OVERDUE, values={**_OVERDUE.values, "due_since": "MIN"}),
        "refunds": _bars("month", "amount", color="payment_type", panels=CURRENCY),
    },
    "pipeline": {
        "freshness": replace(_FRESHNESS, values={**_FRESHNESS.values, "newest_batch": "MAX", "newest_change": "MAX"}),
    },
}
"""The visual of each question, by page and name, in the order of the page."""

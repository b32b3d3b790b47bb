"""How QuickSight shows each question: which visual, what it is grouped by, and in which order.

Amounts of different currencies are never added: a visual of an amount has the currency among its groups.
"""

from dataclasses import dataclass, replace
from typing import Literal

CURRENCY = "currency"
TOP = 10

type Aggregation = Literal["SUM", "AVERAGE", "MIN", "MAX"]


@dataclass(frozen=True, slots=True)
class SortKey:
    """A column that a visual is sorted by, the way it is aggregated for that, and the direction."""

    column: str
    direction: Literal["ASC", "DESC"] = "ASC"
    aggregation: Aggregation = "SUM"


@dataclass(frozen=True, slots=True)
class Visual:
    """A visual of one question.

    `groups` are the categories of a chart, of which there is one, or the columns that a table has a row for each of;
    `color` sets apart within a group and `panels` gives each of its values a chart of its own. `values` names the
    measures and how each is aggregated. A chart shows the first `limit` of its categories, 0 for all of them.
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
        """The columns by which its measures are kept apart."""
        return (*self.groups, *filter(None, (self.color, self.panels)))


def _lines(*values: str, color: str = "", panels: str = "") -> Visual:
    return Visual("lines", ("month",), dict.fromkeys(values, "SUM"), color, panels, (SortKey("month"),))


def _bars(over: str, *values: str, color: str = "", panels: str = "", stacked: bool = False) -> Visual:
    return Visual("bars", (over,), dict.fromkeys(values, "SUM"), color, panels, (SortKey(over),), stacked)


def _ranking(by: str, amount: str, quantity: str) -> Visual:
    """Rank by a quantity: an order by the amount would add currencies up."""
    order = (SortKey(quantity, "DESC"),)
    note = f"The {TOP} with the most {quantity}."
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
"""The visual of each question, by page and name; a page shows them in this order."""

"""Validation of the visuals of questions."""

from dataclasses import replace

import pytest

from ops.generate.quicksight import VisualError, check, terraform_input
from ops.generate.visuals import VISUALS, SortKey, Visual

COLUMNS = {"month": "DATETIME", "currency": "STRING", "units": "INTEGER", "revenue": "DECIMAL"}
BY_CURRENCY = Visual("bars", ("month",), {"revenue": "SUM"}, "currency", order=(SortKey("units", "DESC"),))


def test_amount_must_be_grouped_by_currency():
    """As colour, as panels or as a group; a quantity need not be."""
    check("sales/example", BY_CURRENCY, COLUMNS)
    check("sales/example", replace(BY_CURRENCY, color="", panels="currency"), COLUMNS)
    check("sales/example", replace(BY_CURRENCY, color="", groups=("month", "currency")), COLUMNS)
    check("sales/example", replace(BY_CURRENCY, color="", values={"units": "SUM"}), COLUMNS)

    with pytest.raises(VisualError, match="sales/example sums revenue over currencies: group it by currency"):
        check("sales/example", replace(BY_CURRENCY, color=""), COLUMNS)


def test_chart_cannot_be_sorted_by_an_amount():
    """QuickSight would sort by the total of all currencies; a row of a table has one currency."""
    by_revenue = replace(BY_CURRENCY, order=(SortKey("revenue", "DESC"),))

    with pytest.raises(VisualError, match="sums revenue over currencies to sort: sort by a quantity"):
        check("sales/example", by_revenue, COLUMNS)

    check("sales/example", replace(by_revenue, kind="table", color="", groups=("currency", "month")), COLUMNS)


def test_table_must_be_sorted_by_a_shown_column():
    """A chart may be sorted by any column of its question."""
    hidden = replace(BY_CURRENCY, kind="table", color="", groups=("currency",))

    with pytest.raises(VisualError, match="sales/example is sorted by units, which it does not show"):
        check("sales/example", hidden, COLUMNS)


def test_unknown_column_is_named():
    """A renamed column fails the generation instead of leaving a visual empty."""
    with pytest.raises(VisualError, match="sales/example uses colour, which its query does not return"):
        check("sales/example", replace(BY_CURRENCY, color="colour"), COLUMNS)


def test_question_without_a_visual_is_named(monkeypatch):
    """The error names the file that declares visuals."""
    others = {name: visual for name, visual in VISUALS["sales"].items() if name != "revenue_by_month"}
    monkeypatch.setitem(VISUALS, "sales", others)

    with pytest.raises(
        VisualError, match=r"sales/revenue_by_month has no visual: declare one in ops/generate/visuals\.py"
    ):
        terraform_input()

"""What a visual of a question may not be."""

from dataclasses import replace

import pytest

from ops.generate.quicksight import VisualError, check, terraform_input
from ops.generate.visuals import VISUALS, Order, Visual

COLUMNS = {"month": "DATETIME", "currency": "STRING", "units": "INTEGER", "revenue": "DECIMAL"}
BY_CURRENCY = Visual("bars", ("month",), {"revenue": "SUM"}, "currency", order=(Order("units", "DESC"),))


def test_an_amount_is_grouped_by_currency():
    """As colour, as panels or as a group of its own; a quantity need not be."""
    check("sales/example", BY_CURRENCY, COLUMNS)
    check("sales/example", replace(BY_CURRENCY, color="", panels="currency"), COLUMNS)
    check("sales/example", replace(BY_CURRENCY, color="", groups=("month", "currency")), COLUMNS)
    check("sales/example", replace(BY_CURRENCY, color="", values={"units": "SUM"}), COLUMNS)

    with pytest.raises(VisualError, match="sales/example adds currencies of revenue: group it by currency"):
        check("sales/example", replace(BY_CURRENCY, color=""), COLUMNS)


def test_a_chart_is_not_sorted_by_an_amount():
    """QuickSight would sort by the sum of all currencies; a row of a table has one."""
    by_revenue = replace(BY_CURRENCY, order=(Order("revenue", "DESC"),))

    with pytest.raises(VisualError, match="adds currencies to sort by revenue: sort by a quantity"):
        check("sales/example", by_revenue, COLUMNS)

    check("sales/example", replace(by_revenue, kind="table", color="", groups=("currency", "month")), COLUMNS)


def test_a_table_is_sorted_by_what_it_shows():
    """A chart may be sorted by any column of its question."""
    hidden = replace(BY_CURRENCY, kind="table", color="", groups=("currency",))

    with pytest.raises(VisualError, match="sales/example is sorted by units, which it does not show"):
        check("sales/example", hidden, COLUMNS)


def test_a_column_that_the_query_does_not_return_is_named():
    """A renamed column is found when the file is generated, not when nobody sees a visual."""
    with pytest.raises(VisualError, match="sales/example shows colour, which its query does not return"):
        check("sales/example", replace(BY_CURRENCY, color="colour"), COLUMNS)


def test_a_question_without_a_visual_is_named(monkeypatch):
    """Whoever adds a query is told where its visual is declared."""
    others = {name: visual for name, visual in VISUALS["sales"].items() if name != "revenue_by_month"}
    monkeypatch.setitem(VISUALS, "sales", others)

    with pytest.raises(VisualError, match=r"sales/revenue_by_month: declare one in ops/generate/visuals\.py"):
        terraform_input()

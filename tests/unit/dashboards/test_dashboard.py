"""The dashboard without a browser: filters, number formats, date ranges, and the start of its server."""

import socket
from datetime import UTC, date, datetime, timedelta

import pytest

from dashboards import controls, formatting, pipeline, pipeline_charts, questions, server
from dashboards.filters import Filters, filtered, qualified
from local_aws.state import State
from ops.sandbox.errors import DashboardError
from ops.sandbox.workflow_run import ActionState, ActionSummary, WorkflowRunSummary

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)


def test_filter_replaces_the_view_and_keeps_the_query():
    """A CTE has the view's name; the values are parameters."""
    filtered_query = filtered(
        "SELECT count(*) FROM current_fact_sales_order",
        Filters(since=date(2026, 1, 1), currencies=("GBP",), designs=("'; DROP TABLE x",)),
    )

    assert filtered_query.query.startswith(
        "WITH current_fact_sales_order AS (SELECT * FROM public.current_fact_sales_order WHERE"
    )
    assert filtered_query.query.endswith(")) SELECT COUNT(*) FROM current_fact_sales_order")
    assert filtered_query.parameters == (date(2026, 1, 1), ["GBP"], ["'; DROP TABLE x"])


def test_ctes_of_a_query_follow_those_of_the_filters():
    """They read the filtered rows of both facts; the design filter does not apply to purchases."""
    question = questions.read("purchases", "spend_against_revenue")
    filtered_query = filtered(question.query, Filters(until=date(2026, 1, 31), designs=("Linen",)))

    ctes = ["WITH current_fact_sales_order AS", ", current_fact_purchase_order AS", ", moved AS"]
    assert [filtered_query.query.count(name) for name in ctes] == [1, 1, 1]
    assert filtered_query.parameters == (date(2026, 1, 31), ["Linen"], date(2026, 1, 31))


def test_payments_are_filtered_by_due_date():
    """All other facts by order date."""
    filtered_query = filtered("SELECT * FROM current_fact_payment", Filters(since=date(2026, 1, 1)))

    assert "WHERE payment_date >= $1" in filtered_query.query


def test_query_without_filters_is_unchanged():
    """Including its formatting."""
    query = "select  1 from current_fact_payment -- so"

    assert filtered(query, Filters()).query == query


def test_tables_are_qualified_and_common_table_expressions_are_not():
    """Also those of filters, which have the names of views."""
    question = questions.read("purchases", "spend_against_revenue")
    query = qualified(filtered(question.query, Filters(designs=("Linen",))).query)

    assert "FROM public.current_fact_purchase_order" in query
    assert "FROM current_fact_sales_order" in query
    assert "public.moved" not in query


def test_range_has_whole_months_across_years():
    """Including the current month."""
    assert controls.months(date(2026, 1, 31), 11, 0) == (date(2025, 2, 1), date(2026, 1, 31))
    assert controls.months(date(2026, 11, 5), 2, 3) == (date(2026, 9, 1), date(2027, 2, 28))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0, "£0"),
        (999.4, "£999"),
        (999.6, "£1.0k"),
        (1234, "£1.2k"),
        (999_960, "£1.0m"),
        (148_400_000, "£148m"),
        (-5e9, "-£5.0bn"),
    ],
)
def test_amount_is_shortened(value, expected):
    """Never to 1000k."""
    assert formatting.short(value, "GBP") == expected


def test_amount_in_a_currency_without_a_symbol_has_its_code():
    """Any currency that totesys adds."""
    assert formatting.exact(1234567.8, "CHF") == "CHF 1,234,568"


@pytest.mark.parametrize(
    ("seconds", "expected"), [(0.4, "0 s"), (59, "59 s"), (1800, "30 min"), (143, "2 min 23 s"), (90000, "1 d 1 h")]
)
def test_duration_has_its_two_largest_units(seconds, expected):
    """A second unit of zero is left out."""
    assert formatting.age(seconds) == expected


def run(begins: int, ends: int, state: ActionState = ActionState.SUCCEEDED) -> WorkflowRunSummary:
    """Return a run with begin and end in minutes after noon."""
    moments = (NOON + timedelta(minutes=begins), NOON + timedelta(minutes=ends))
    return WorkflowRunSummary("wr", "COMPLETED", *moments, actions=(ActionSummary("load", "job", state),))


def test_warehouse_age_falls_when_a_run_has_succeeded():
    """It falls to the time since the run began; a failed run does not change it."""
    runs = (run(20, 25), run(10, 12, ActionState.FAILED), run(0, 2))

    ages = pipeline.ages(runs, NOON + timedelta(minutes=30))

    assert [point["seconds"] / 60 for point in ages] == [2, 25, 5, 10]
    assert pipeline.age((), NOON) is None


@pytest.mark.parametrize(
    ("minutes", "expected"),
    [
        (0.5, []),
        (3, ["12:01", "12:02", "12:03"]),
        (30, ["12:05", "12:10", "12:15", "12:20", "12:25", "12:30"]),
        (5 * 60, ["13:00", "14:00", "15:00", "16:00", "17:00"]),
        (20 * 24 * 60, ["00:00"] * 5),
    ],
)
def test_age_labels_are_few_and_at_whole_minutes(minutes, expected):
    """Each label occurs once, at a multiple of the interval."""
    begin = NOON + timedelta(seconds=20)

    labels = pipeline_charts.whole_minutes(begin, begin + timedelta(minutes=minutes))

    assert [label[11:16] for label in labels] == expected


def test_port_in_use_is_named(tmp_path):
    """Nothing is started, and no file is left."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]

        with pytest.raises(DashboardError, match=f"Port {port} is taken"), server.serving(State(tmp_path), port):
            pass

    assert list(tmp_path.iterdir()) == []

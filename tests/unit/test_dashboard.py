"""The dashboard's parts without a browser: filters, figures, ranges, and how its process is started."""

import socket
from datetime import UTC, date, datetime, timedelta

import pytest

from dashboards import controls, figures, pipeline, pipeline_charts, questions, server
from dashboards.filters import Filters, filtered
from local_aws.state import State
from ops.sandbox.errors import DashboardError
from ops.sandbox.workflow_run import Action, ActionState, WorkflowRun

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)


def test_a_filter_takes_the_place_of_the_view_and_leaves_the_query_as_it_is():
    """The query reads an expression of the view's name; the values are parameters."""
    asked = filtered(
        "SELECT count(*) FROM current_fact_sales_order",
        Filters(since=date(2026, 1, 1), currencies=("GBP",), designs=("'; DROP TABLE x",)),
    )

    assert asked.query.startswith(
        "WITH current_fact_sales_order AS (SELECT * FROM public.current_fact_sales_order WHERE"
    )
    assert asked.query.endswith(")) SELECT COUNT(*) FROM current_fact_sales_order")
    assert asked.parameters == (date(2026, 1, 1), ["GBP"], ["'; DROP TABLE x"])


def test_a_query_with_expressions_of_its_own_keeps_them_after_the_filters():
    """Which read the filtered rows too, in both facts; a design says nothing of what is bought."""
    question = questions.read("purchases", "spend_against_revenue")
    asked = filtered(question.query, Filters(until=date(2026, 1, 31), designs=("Linen",)))

    names = ["WITH current_fact_sales_order AS", ", current_fact_purchase_order AS", ", moved AS"]
    assert [asked.query.count(name) for name in names] == [1, 1, 1]
    assert asked.parameters == (date(2026, 1, 31), ["Linen"], date(2026, 1, 31))


def test_payments_are_filtered_by_the_day_on_which_they_fall_due():
    """All other facts by the day on which they were ordered."""
    asked = filtered("SELECT * FROM current_fact_payment", Filters(since=date(2026, 1, 1)))

    assert "WHERE payment_date >= $1" in asked.query


def test_without_a_filter_a_query_is_asked_as_it_stands():
    """Not even its words are set otherwise."""
    query = "select  1 from current_fact_payment -- so"

    assert filtered(query, Filters()).query == query


def test_a_range_is_of_whole_months_over_the_turn_of_a_year():
    """This month is one of them."""
    assert controls.months(date(2026, 1, 31), 11, 0) == (date(2025, 2, 1), date(2026, 1, 31))
    assert controls.months(date(2026, 11, 5), 2, 3) == (date(2026, 9, 1), date(2027, 2, 28))


@pytest.mark.parametrize(
    ("value", "said"),
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
def test_an_amount_is_said_in_few_figures(value, said):
    """And never as 1000k."""
    assert figures.short(value, "GBP") == said


def test_a_currency_without_a_sign_is_said_by_its_code():
    """Whatever totesys takes next."""
    assert figures.exact(1234567.8, "CHF") == "CHF 1,234,568"


@pytest.mark.parametrize(
    ("seconds", "said"), [(0.4, "0 s"), (59, "59 s"), (1800, "30 min"), (143, "2 min 23 s"), (90000, "1 d 1 h")]
)
def test_a_length_of_time_is_said_in_its_two_largest_units(seconds, said):
    """Without the second where it is nothing."""
    assert figures.age(seconds) == said


def run(begins: int, ends: int, state: ActionState = ActionState.SUCCEEDED) -> WorkflowRun:
    """Return a run between two minutes after noon."""
    moments = (NOON + timedelta(minutes=begins), NOON + timedelta(minutes=ends))
    return WorkflowRun("wr", "COMPLETED", *moments, actions=(Action("load", "job", state),))


def test_the_warehouse_ages_until_a_run_has_brought_what_was_there_when_it_began():
    """A run that failed makes it no younger."""
    runs = (run(20, 25), run(10, 12, ActionState.FAILED), run(0, 2))

    ages = pipeline.ages(runs, NOON + timedelta(minutes=30))

    assert [point["seconds"] / 60 for point in ages] == [2, 25, 5, 10]
    assert pipeline.age((), NOON) is None


@pytest.mark.parametrize(
    ("minutes", "said"),
    [
        (0.5, []),
        (3, ["12:01", "12:02", "12:03"]),
        (30, ["12:05", "12:10", "12:15", "12:20", "12:25", "12:30"]),
        (5 * 60, ["13:00", "14:00", "15:00", "16:00", "17:00"]),
        (20 * 24 * 60, ["00:00"] * 5),
    ],
)
def test_the_labels_of_the_age_are_whole_minutes_and_few(minutes, said):
    """Each named once, at a moment that is as round as its distance to the next."""
    begin = NOON + timedelta(seconds=20)

    labels = pipeline_charts.whole_minutes(begin, begin + timedelta(minutes=minutes))

    assert [label[11:16] for label in labels] == said


def test_a_port_that_is_taken_is_named(tmp_path):
    """Nothing is started, and nothing is left behind."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]

        with pytest.raises(DashboardError, match=f"Port {port} is taken"), server.serving(State(tmp_path), port):
            pass

    assert list(tmp_path.iterdir()) == []

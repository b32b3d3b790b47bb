"""The cost estimate is derived from the current Terraform configuration."""

from pathlib import Path

import pytest

from ops.generate.cost import environments, estimate
from ops.generate.cost.document import budget, page

pytestmark = pytest.mark.terraform

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def planned():
    """Return the plans of the documented environments."""
    return environments()


def test_cost_page_is_up_to_date(planned):
    """`make generated` rewrites it."""
    assert (ROOT / "docs/cost.md").read_text() == page(planned)


def test_crawler_runs_at_the_recommended_frequency(planned):
    """The frequency is recommended by the crawler's cost relative to that of the jobs."""
    environment = estimate.environment(planned["dev"]["configured"])

    assert environment.crawl.runs == pytest.approx(estimate.FREQUENCIES[environment.recommended_frequency()])


def test_month_of_runs_every_30_minutes_costs_less_than_80_dollars(planned):
    """With network, metrics, logs and alarms, without the database."""
    assert estimate.month(planned["dev"]["configured"], estimate.REFERENCE_RUNS).platform < 80


def test_budget_alerts_above_the_estimate(planned):
    """At 80 % of it: below the estimate it would alert each month, far above never."""
    for name, plans in planned.items():
        costs = estimate.month(plans["configured"]).total
        assert costs < 0.8 * budget(plans["configured"]) < 1.2 * costs, name

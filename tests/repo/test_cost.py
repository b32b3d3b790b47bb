"""The cost estimate is derived from the current Terraform configuration."""

from pathlib import Path

import pytest

from ops.generate.cost import ENVIRONMENT, estimate
from ops.generate.cost.document import page
from ops.generate.cost.plan import resources

pytestmark = pytest.mark.terraform

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def planned():
    """Return the resources that Terraform plans for the documented environment."""
    return resources(ENVIRONMENT)


def test_cost_page_is_up_to_date(planned):
    """`make generated` rewrites it."""
    assert (ROOT / "docs/cost.md").read_text() == page(ENVIRONMENT, planned)


def test_crawler_runs_at_the_recommended_frequency(planned):
    """The frequency is recommended by the crawler's cost relative to that of the jobs."""
    environment = estimate.environment(planned)

    assert environment.crawl.runs == pytest.approx(estimate.FREQUENCIES[environment.recommended_frequency()])

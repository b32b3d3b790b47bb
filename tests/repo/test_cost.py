"""What a month costs follows from the configuration as it is."""

from pathlib import Path

import pytest

from ops.generate.cost import ENVIRONMENT, estimate
from ops.generate.cost.document import page
from ops.generate.cost.plan import resources

pytestmark = pytest.mark.terraform

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def planned():
    """Return what Terraform plans for the environment that is documented."""
    return resources(ENVIRONMENT)


def test_the_page_is_current(planned):
    """`make generated` writes it anew."""
    assert (ROOT / "docs/cost.md").read_text() == page(ENVIRONMENT, planned)


def test_the_lake_is_crawled_as_often_as_the_numbers_say(planned):
    """The schedule of the crawler follows from what it costs beside the jobs."""
    environment = estimate.environment(planned)

    assert environment.crawl.runs == pytest.approx(estimate.FREQUENCIES[environment.recommended_frequency()])

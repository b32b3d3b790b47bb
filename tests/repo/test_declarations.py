"""The declarations agree with each other and with what was generated from them."""

from pathlib import Path

import pytest

from ops.generate import metrics as metrics_file
from ops.generate import quicksight
from ops.generate.dictionary.document import page
from ops.generate.tables import terraform_input
from totelake.runtime.metrics import METRICS
from totelake.tables import SOURCE_TABLES, STAR_TABLES
from totelake.transform.star_tables import CALENDAR, TRANSFORMS

ROOT = Path(__file__).parents[2]


def test_terraforms_tables_are_current():
    """`make generated` writes them anew."""
    assert (ROOT / "terraform/tables.json").read_text() == terraform_input()


def test_terraforms_metrics_are_current():
    """`make generated` writes them anew."""
    assert (ROOT / "terraform/metrics.json").read_text() == metrics_file.terraform_input()


def test_terraforms_questions_are_current():
    """`make generated` writes them anew."""
    assert (ROOT / "terraform/questions.json").read_text() == quicksight.terraform_input()


def test_the_page_of_the_tables_is_current():
    """`make generated` writes it anew."""
    assert (ROOT / "docs/tables.md").read_text() == page()


def test_every_metric_says_what_it_is():
    """Whoever reads the dashboard finds it here."""
    assert all(metric.description.endswith(".") for metric in METRICS)
    assert len({metric.name for metric in METRICS}) == len(METRICS)


def test_all_of_the_eleven_tables_are_declared():
    """The customer listed them."""
    people_and_things = {"counterparty", "currency", "department", "design", "staff", "address", "payment_type"}
    assert set(SOURCE_TABLES) == people_and_things | {"sales_order", "purchase_order", "payment", "transaction"}


@pytest.mark.parametrize("table", STAR_TABLES)
def test_every_star_table_has_a_transform_that_reads_declared_tables(table):
    """A function of its name, whose parameters are source tables."""
    sources = TRANSFORMS[table].sources
    assert set(sources) <= {*SOURCE_TABLES, CALENDAR}
    assert sources[0] == (STAR_TABLES[table].source or CALENDAR)
    assert len(sources) == 1 or not STAR_TABLES[table].is_fact


@pytest.mark.parametrize("table", STAR_TABLES.values(), ids=lambda table: table.name)
def test_every_reference_names_a_dimension(table):
    """Facts refer to dimensions, dimensions to nothing."""
    references = {column.references for column in table.columns if column.references}
    assert all(not STAR_TABLES[reference].is_fact for reference in references)
    assert bool(references) == table.is_fact


@pytest.mark.parametrize("table", [*SOURCE_TABLES.values(), *STAR_TABLES.values()], ids=lambda table: table.name)
def test_every_table_says_what_a_row_is_and_every_column_what_it_holds(table):
    """A grain, and descriptions that end with a full stop."""
    assert table.grain.endswith(".")
    assert all(column.description.endswith(".") for column in table.columns)
    assert len({column.name for column in table.columns}) == len(table.columns)

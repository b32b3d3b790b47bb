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


def test_terraform_tables_are_up_to_date():
    """`make generated` rewrites them."""
    assert (ROOT / "terraform/tables.json").read_text() == terraform_input()


def test_terraform_metrics_are_up_to_date():
    """`make generated` rewrites them."""
    assert (ROOT / "terraform/metrics.json").read_text() == metrics_file.terraform_input()


def test_terraform_questions_are_up_to_date():
    """`make generated` rewrites them."""
    assert (ROOT / "terraform/questions.json").read_text() == quicksight.terraform_input()


def test_tables_page_is_up_to_date():
    """`make generated` rewrites it."""
    assert (ROOT / "docs/tables.md").read_text() == page()


def test_every_metric_has_a_description_and_a_unique_name():
    """Descriptions end with a full stop."""
    assert all(metric.description.endswith(".") for metric in METRICS)
    assert len({metric.name for metric in METRICS}) == len(METRICS)


def test_all_eleven_source_tables_are_declared():
    """They are the tables of the customer's list."""
    descriptive = {"counterparty", "currency", "department", "design", "staff", "address", "payment_type"}
    assert set(SOURCE_TABLES) == descriptive | {"sales_order", "purchase_order", "payment", "transaction"}


@pytest.mark.parametrize("table", STAR_TABLES)
def test_every_star_table_has_a_transform_that_reads_declared_tables(table):
    """The transform has the table's name, and its parameters are source tables."""
    sources = TRANSFORMS[table].sources
    assert set(sources) <= {*SOURCE_TABLES, CALENDAR}
    assert sources[0] == (STAR_TABLES[table].source or CALENDAR)
    assert len(sources) == 1 or not STAR_TABLES[table].is_fact


@pytest.mark.parametrize("table", STAR_TABLES.values(), ids=lambda table: table.name)
def test_facts_reference_dimensions_and_dimensions_reference_nothing(table):
    """Every reference names a dimension."""
    references = {column.references for column in table.columns if column.references}
    assert all(not STAR_TABLES[reference].is_fact for reference in references)
    assert bool(references) == table.is_fact


@pytest.mark.parametrize("table", [*SOURCE_TABLES.values(), *STAR_TABLES.values()], ids=lambda table: table.name)
def test_every_table_has_a_grain_and_every_column_a_description(table):
    """Both end with a full stop; column names are unique."""
    assert table.grain.endswith(".")
    assert all(column.description.endswith(".") for column in table.columns)
    assert len({column.name for column in table.columns}) == len(table.columns)

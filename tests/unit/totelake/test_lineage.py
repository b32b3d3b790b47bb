"""The lineage of a column, derived from its table's declaration."""

import pytest

from totelake.runtime.errors import UnknownColumnError
from totelake.tables.lineage import LINEAGE, LOOKUPS, SOURCE_COLUMNS, dependents, find


@pytest.mark.parametrize(
    ("column", "origin", "how"),
    [
        ("fact_sales_order.units_sold", "sales_order.units_sold", "copied"),
        ("fact_sales_order.sales_staff_id", "sales_order.staff_id", "renamed"),
        ("fact_sales_order.unit_price", "sales_order.unit_price", "cast from decimal(38,18) to decimal(10,2)"),
        ("fact_payment.payment_date", "payment.payment_date", "cast from string to date"),
        ("fact_payment.created_time", "payment.created_at", "computed: its time of day"),
        ("dim_staff.department_name", "department.department_name", "looked up through staff.department_id"),
        (
            "dim_counterparty.counterparty_legal_city",
            "address.city",
            "looked up through counterparty.legal_address_id, renamed",
        ),
    ],
)
def test_star_column_has_its_origin_and_derivation(column, origin, how):
    """In the words of the dictionary."""
    lineage = LINEAGE[column]

    assert lineage.origin
    assert (lineage.origin.name, lineage.how) == (origin, how)


@pytest.mark.parametrize(
    ("column", "how"),
    [
        ("fact_payment.payment_record_id", "numbered by the warehouse"),
        ("fact_payment._source_version", "added by the pipeline"),
        ("dim_date.quarter", "computed: from the calendar"),
    ],
)
def test_column_without_a_source_has_its_producer(column, how):
    """It has no source column."""
    assert (LINEAGE[column].sources, LINEAGE[column].how) == ((), how)


def test_source_column_lists_its_star_columns():
    """A reference lists the columns looked up through it; an account number is in no star table."""
    star_columns = {lineage.star.name for lineage in dependents(SOURCE_COLUMNS["staff.department_id"])}

    assert star_columns == {"dim_staff.department_name", "dim_staff.location"}
    assert dependents(SOURCE_COLUMNS["payment.company_ac_number"]) == []


def test_lookup_reference_has_rules():
    """Although it is not in the star table: the row is quarantined until the lookup succeeds."""
    rules = {name: [(lookup.reference.name, lookup.rules) for lookup in LOOKUPS[name]] for name in LOOKUPS}

    assert {name: lookups for name, lookups in rules.items() if lookups} == {
        "dim_staff": [("staff.department_id", {"not null": "has a value", "reference": "is in department"})],
        "dim_counterparty": [
            ("counterparty.legal_address_id", {"not null": "has a value", "reference": "is in address"})
        ],
    }


def test_column_name_finds_all_columns_with_that_name():
    """In totesys and in the star schema."""
    sources, stars = find("Unit_Price")

    assert [column.name for column in sources] == ["sales_order.unit_price"]
    assert [lineage.star.name for lineage in stars] == ["fact_sales_order.unit_price"]


def test_current_view_has_the_columns_of_its_table():
    """Queries use the views."""
    assert find("current_dim_design.file_name") == find("dim_design.file_name")


@pytest.mark.parametrize(
    ("column", "message"),
    [
        ("unit_prise", "There is no column unit_prise; did you mean unit_price, item_unit_price?"),
        ("dim_desing.file_name", "did you mean dim_design.file_name"),
        ("zzzz", "There is no column zzzz; docs/tables.md lists all columns."),
    ],
)
def test_unknown_column_is_named_with_suggestions(column, message):
    """Qualified names for a qualified name, column names for a column name."""
    with pytest.raises(UnknownColumnError) as caught:
        find(column)

    assert message in str(caught.value)

"""Where a column comes from, as its table declares it."""

import pytest

from totelake.runtime.errors import UnknownColumnError
from totelake.tables.lineage import LINEAGE, LOOKUPS, SOURCE_COLUMNS, find, shown_in


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
def test_a_column_of_a_star_says_where_it_comes_from_and_how(column, origin, how):
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
def test_a_column_that_totesys_does_not_have_says_who_makes_it(column, how):
    """It comes from no column."""
    assert (LINEAGE[column].sources, LINEAGE[column].how) == ((), how)


def test_a_column_of_totesys_says_where_it_shows():
    """A key that leads to a table shows in what is looked up there; an account number shows nowhere."""
    shown = {lineage.star.name for lineage in shown_in(SOURCE_COLUMNS["staff.department_id"])}

    assert shown == {"dim_staff.department_name", "dim_staff.location"}
    assert shown_in(SOURCE_COLUMNS["payment.company_ac_number"]) == []


def test_a_reference_by_which_a_star_looks_something_up_has_rules():
    """Although the star does not show it: the row waits until it leads somewhere."""
    told = {name: [(lookup.reference.name, lookup.rules) for lookup in LOOKUPS[name]] for name in LOOKUPS}

    assert {name: lookups for name, lookups in told.items() if lookups} == {
        "dim_staff": [("staff.department_id", {"not null": "has a value", "reference": "is in department"})],
        "dim_counterparty": [
            ("counterparty.legal_address_id", {"not null": "has a value", "reference": "is in address"})
        ],
    }


def test_a_name_alone_finds_every_column_that_is_called_so():
    """In totesys and in the stars."""
    sources, stars = find("Unit_Price")

    assert [place.name for place in sources] == ["sales_order.unit_price"]
    assert [lineage.star.name for lineage in stars] == ["fact_sales_order.unit_price"]


def test_the_view_of_what_is_current_has_the_columns_of_its_table():
    """Questions are asked of the views."""
    assert find("current_dim_design.file_name") == find("dim_design.file_name")


@pytest.mark.parametrize(
    ("column", "said"),
    [
        ("unit_prise", "There is no column unit_prise; did you mean unit_price, item_unit_price?"),
        ("dim_desing.file_name", "did you mean dim_design.file_name"),
        ("zzzz", "There is no column zzzz; docs/tables.md has them all."),
    ],
)
def test_an_unknown_column_is_named_with_what_may_be_meant(column, said):
    """Full names for a full name, names alone for one alone."""
    with pytest.raises(UnknownColumnError) as caught:
        find(column)

    assert said in str(caught.value)

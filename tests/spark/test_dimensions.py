"""The transforms that build the dimensions."""

from datetime import date, datetime

import pytest

from totelake.transform.star_tables.dimensions import dim_counterparty, dim_currency, dim_date, dim_location, dim_staff


def test_staff_have_the_columns_of_their_department(rows):
    """Names are spelled as in totesys."""
    staff = rows(
        "staff", {"staff_id": 1, "last_name": "O'Keefe", "department_id": 2}, {"staff_id": 2, "department_id": 3}
    )
    departments = rows(
        "department",
        {"department_id": 2, "department_name": "Finance", "location": "Leds"},
        {"department_id": 3, "department_name": "HR", "location": None},
    )

    keefe, other = dim_staff(staff, departments).orderBy("staff_id").collect()

    assert (keefe.last_name, keefe.department_name, keefe.location) == ("O'Keefe", "Finance", "Leds")
    assert (other.department_name, other.location) == ("HR", "Undefined")


def test_counterparty_has_the_columns_of_its_legal_address(rows):
    """NULLs and leading zeros are kept; two counterparties may share an address."""
    parties = rows(
        "counterparty", {"counterparty_id": 1, "legal_address_id": 5}, {"counterparty_id": 2, "legal_address_id": 5}
    )
    address = rows("address", {"address_id": 5, "postal_code": "01138", "district": None, "phone": "0021 366201"})

    dimension = dim_counterparty(parties, address).orderBy("counterparty_id").collect()

    assert [row.counterparty_id for row in dimension] == [1, 2]
    assert {row.counterparty_legal_postal_code for row in dimension} == {"01138"}
    assert {row.counterparty_legal_phone_number for row in dimension} == {"0021 366201"}
    assert {row.counterparty_legal_district for row in dimension} == {None}


@pytest.mark.parametrize(
    ("transform", "driving", "reference", "joined"),
    [
        (dim_staff, "staff", "department_id", "department"),
        (dim_counterparty, "counterparty", "legal_address_id", "address"),
    ],
)
def test_failed_lookup_leaves_its_columns_null(rows, transform, driving, reference, joined):
    """With an unknown, NULL or deleted key; a deleted row still looks up a deleted parent."""
    deleted, key = {"_deleted_at": datetime(2025, 1, 1)}, f"{joined}_id"
    referring = [{reference: 99}, {reference: None}, {reference: 7}, {reference: 7, **deleted}, {reference: 5}]
    numbered = [{f"{driving}_id": number, **row} for number, row in enumerate(referring)]

    dimension = (
        transform(rows(driving, *numbered), rows(joined, {key: 5}, {key: 7, **deleted}))
        .orderBy(f"{driving}_id")
        .collect()
    )

    assert [(row[reference], row[f"_{reference}_found"]) for row in dimension] == [
        (99, None),
        (None, None),
        (7, None),
        (7, 7),
        (5, 5),
    ]
    assert [row._deleted_at is not None for row in dimension] == [False, False, False, True, False]


def test_location_has_the_columns_of_its_address(rows):
    """The key is renamed."""
    [row] = dim_location(rows("address", {"address_id": 9, "country": "Svalbard & Jan Mayen Islands"})).collect()

    assert (row.location_id, row.country) == (9, "Svalbard & Jan Mayen Islands")


@pytest.mark.parametrize(
    ("code", "name"), [("GBP", "Pound Sterling"), ("USD", "US Dollar"), ("EUR", "Euro"), ("XXQ", None)]
)
def test_currency_name_is_that_of_iso_4217(rows, code, name):
    """A code that is not in the standard has no name, which violates a rule."""
    [row] = dim_currency(rows("currency", {"currency_code": code})).collect()

    assert row.currency_name == name


def test_calendar_attributes_of_a_date(calendar):
    """Weeks begin on Monday, names are not padded, leap days exist."""
    monday, leap = dim_date(calendar("2024-11-18", "2048-02-29")).orderBy("date_id").collect()

    assert tuple(monday) == (date(2024, 11, 18), 2024, 11, 18, 1, "Monday", "November", 4, None)
    assert tuple(leap) == (date(2048, 2, 29), 2048, 2, 29, 6, "Saturday", "February", 1, None)

"""The rows in quarantine and the sequence since which they are there."""

from datetime import datetime

import pytest
from pyspark.sql import functions as F  # noqa: N812 - Spark's own convention

from totelake.tables import STAR_TABLES
from totelake.transform import fact, quarantine
from totelake.transform.rules import BROKEN, check_rules
from totelake.transform.star_tables.dimensions import dim_staff
from totelake.transform.star_tables.facts import fact_sales_order

STAFF, SALES = STAR_TABLES["dim_staff"], STAR_TABLES["fact_sales_order"]


@pytest.fixture
def judged(rows):
    """Return a function that checks staff without a department in the batch with the given sequence."""
    departments = rows("department", {"department_id": 5})

    def make(sequence, *members):
        made = dim_staff(rows("staff", *members), departments)
        return check_rules(made.withColumn("_ingested_sequence", F.lit(sequence)), STAFF, {})

    return make


def test_unchanged_quarantined_row_keeps_its_first_sequence(judged):
    """A change of any column, including the lookup key, or a deletion gives it the new one."""
    before = judged(3, *({"staff_id": number, "department_id": 99} for number in (1, 2, 3, 4)))
    waiting = quarantine.lines(before.withColumn("superseded", F.lit(False)), STAFF)
    now = judged(
        7,
        {"staff_id": 1, "department_id": 99},
        {"staff_id": 2, "department_id": 98},
        {"staff_id": 3, "department_id": 99, "email_address": "new"},
        {"staff_id": 4, "department_id": 99, "_deleted_at": datetime(2025, 1, 1)},
        {"staff_id": 5, "department_id": 99},
    )

    rows_now = quarantine.mark_open(now, waiting, STAFF).orderBy("staff_id").collect()

    assert [(row.staff_id, row[quarantine.IS_OPEN], row._ingested_sequence) for row in rows_now] == [
        (1, True, 3),
        (2, False, 7),
        (3, False, 7),
        (4, False, 7),
        (5, False, 7),
    ]


def test_fact_without_a_key_is_quarantined(rows):
    """Although it has no other version."""
    orders = fact_sales_order(rows("sales_order", {"sales_order_id": None, "units_sold": 1000}))
    broken = check_rules(orders, SALES, {}).where(F.size(BROKEN) > 0)

    [row] = fact._superseded(broken, broken, SALES).collect()

    assert (row.sales_order_id, row.superseded) == (None, False)

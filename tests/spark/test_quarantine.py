"""Which rows wait, and since when."""

from datetime import datetime

import pytest
from pyspark.sql import functions as F  # noqa: N812 - Spark's own convention

from totelake.tables import STAR_TABLES
from totelake.transform import fact, quarantine
from totelake.transform.rules import BROKEN, judge
from totelake.transform.star_tables.dimensions import dim_staff
from totelake.transform.star_tables.facts import fact_sales_order

STAFF, SALES = STAR_TABLES["dim_staff"], STAR_TABLES["fact_sales_order"]


@pytest.fixture
def judged(rows):
    """Return a function that judges members of staff, of whom none finds a department, in the batch of a number."""
    departments = rows("department", {"department_id": 5})

    def make(sequence, *members):
        made = dim_staff(rows("staff", *members), departments)
        return judge(made.withColumn("_ingested_sequence", F.lit(sequence)), STAFF, {})

    return make


def test_a_row_that_is_judged_again_waits_since_it_came(judged):
    """Unless anything in it is other than then, the column that looks up the department too; a deletion never does."""
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

    found = quarantine.recognised(now, waiting, STAFF).orderBy("staff_id").collect()

    assert [(row.staff_id, row[quarantine.WAITS], row._ingested_sequence) for row in found] == [
        (1, True, 3),
        (2, False, 7),
        (3, False, 7),
        (4, False, 7),
        (5, False, 7),
    ]


def test_a_fact_without_a_key_waits_like_any_other_broken_row(rows):
    """It has no later version, and is not lost for that."""
    orders = fact_sales_order(rows("sales_order", {"sales_order_id": None, "units_sold": 1000}))
    broken = judge(orders, SALES, {}).where(F.size(BROKEN) > 0)

    [row] = fact._superseded(broken, broken, SALES).collect()

    assert (row.sales_order_id, row.superseded) == (None, False)

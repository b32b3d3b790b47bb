"""The latest version of a row."""

from totelake.lake.versions import latest
from totelake.tables import SOURCE_TABLES


def test_latest_version_is_in_the_last_batch_even_with_a_lower_transaction_id(rows):
    """The transaction with the lower id can be the last to write the row."""
    versions = rows(
        "department",
        {"department_id": 1, "manager": "first", "_source_version": 101, "_ingested_sequence": 1},
        {"department_id": 1, "manager": "second", "_source_version": 100, "_ingested_sequence": 2},
        {"department_id": 2, "manager": "only", "_source_version": 50, "_ingested_sequence": 1},
    )

    latest_rows = latest(versions, SOURCE_TABLES["department"].key).orderBy("department_id").collect()

    assert [row.manager for row in latest_rows] == ["second", "only"]

"""Which version of a record is the latest."""

from totelake.lake.versions import latest
from totelake.tables import SOURCE_TABLES


def test_the_youngest_batch_has_the_latest_version_even_when_its_transaction_is_older(rows):
    """Of two writers the one with the lower transaction id can be the later one to write the row."""
    versions = rows(
        "department",
        {"department_id": 1, "manager": "first", "_source_version": 101, "_ingested_sequence": 1},
        {"department_id": 1, "manager": "second", "_source_version": 100, "_ingested_sequence": 2},
        {"department_id": 2, "manager": "only", "_source_version": 50, "_ingested_sequence": 1},
    )

    found = latest(versions, SOURCE_TABLES["department"].key).orderBy("department_id").collect()

    assert [row.manager for row in found] == ["second", "only"]

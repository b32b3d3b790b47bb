"""Fixtures that build rows of totesys from the columns that a test needs."""

from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal

import pytest
from pyspark.sql import DataFrame, SparkSession

from totelake.lake.frames import schema
from totelake.tables import RAW_LINEAGE, SOURCE_TABLES
from totelake.tables.model import DELETED_AT, INGESTED_SEQUENCE

Rows = Callable[..., DataFrame]

_DEFAULTS = {
    "int": 1,
    "bigint": 1,
    "string": "any",
    "boolean": False,
    "timestamp_ntz": datetime(2024, 11, 21, 8, 5, 9, 7000),
    "decimal(38,18)": Decimal("2.50"),
}


@pytest.fixture
def rows(spark: SparkSession) -> Rows:
    """Return a function that builds rows of a source table; columns that a row does not name get a valid default."""

    def make(table: str, *named: dict[str, object]) -> DataFrame:
        columns = (*SOURCE_TABLES[table].columns, *RAW_LINEAGE, INGESTED_SEQUENCE, DELETED_AT)
        defaults = {column.name: _default(column.name, column.type.spark) for column in columns}
        assert all(row.keys() <= defaults.keys() for row in named)
        return spark.createDataFrame([tuple((defaults | row).values()) for row in named], schema(columns))

    return make


def _default(name: str, kind: str) -> object:
    if name == DELETED_AT.name:
        return None
    return "2024-11-30" if name.endswith("_date") else _DEFAULTS[kind]


@pytest.fixture
def calendar(spark: SparkSession) -> Callable[..., DataFrame]:
    """Return a function that builds a calendar of the given days."""
    columns = "date_id date, _deleted_at timestamp_ntz"
    return lambda *days: spark.createDataFrame([(date.fromisoformat(day), None) for day in days], columns)

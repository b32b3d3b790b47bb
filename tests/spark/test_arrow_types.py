"""The Arrow types in which the driver reads few rows are those of Spark, whose own mapping is not public API."""

import pytest
from pyspark.sql.pandas.types import to_arrow_schema

from totelake.lake.frames import schema
from totelake.lake.scan import arrow_schema
from totelake.tables import SOURCE_TABLES, STAR_TABLES


@pytest.mark.usefixtures("spark")
@pytest.mark.parametrize("table", [*SOURCE_TABLES.values(), *STAR_TABLES.values()], ids=lambda table: table.name)
def test_arrow_types_are_those_of_spark(table):
    """Every declared type is mapped."""
    columns = table.stored_columns

    assert arrow_schema(columns) == to_arrow_schema(schema(columns))

"""Rows of several megabytes: memory is bounded by their bytes, not by their number."""

import psycopg
import pytest

from tests.postgres_servers import as_role
from totelake.ingest import source_checks
from totelake.runtime.errors import SourceValueError

PICTURES, PICTURE_BYTES = 60, 10_000_000


def test_wide_rows_that_exceed_memory_in_total_are_ingested(lake, totesys, reader):
    """60 pictures of 20 MB each as text, with a heap of 2 GiB; a comparison by content reads them from the lake."""
    with psycopg.connect(as_role(totesys, "postgres")) as connection:
        connection.execute("ALTER TABLE design ADD COLUMN picture bytea")
        connection.execute(
            "UPDATE design SET picture = decode(repeat('ab', %s), 'hex') WHERE design_id <= %s",
            (PICTURE_BYTES, PICTURES),
        )

    batch = lake.ingest(reader)

    lengths = lake.rows(batch, "design").selectExpr("length(picture) AS length").groupBy("length").count().collect()
    assert {row.length: row["count"] for row in lengths} == {None: 473 - PICTURES, 2 + 2 * PICTURE_BYTES: PICTURES}
    with psycopg.connect(totesys) as connection:
        connection.execute("ALTER TABLE design ADD COLUMN colour varchar")
    assert lake.ingest(reader).tables == {}
    with psycopg.connect(totesys) as connection:
        connection.execute("ALTER TABLE sales_order DROP CONSTRAINT sales_order_design_id_fkey")
        connection.execute("DELETE FROM design WHERE design_id IN (1, 400)")
    assert lake.ingest(reader).tables["design"].deletes == 2


def test_row_over_the_size_limit_is_rejected_by_column_and_key(lake, totesys, reader, monkeypatch):
    """Before any row is read."""
    monkeypatch.setattr(source_checks, "MOST_BYTES", 1_000)
    with psycopg.connect(totesys) as connection:
        connection.execute("UPDATE design SET file_name = repeat('x', 1000) WHERE design_id = 7")

    with pytest.raises(SourceValueError, match=r"design: 1 .* column file_name .* rows of at most 1,000 bytes: 7\."):
        lake.ingest(reader)

    assert lake.files() == []

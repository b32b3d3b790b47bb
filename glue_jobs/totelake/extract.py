"""The changed rows of one source table, as a Spark frame that is read at the batch's snapshot."""

from collections.abc import Iterable

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F  # noqa: N812 - Spark's own convention

from totelake.batches import IngestedBatch
from totelake.connections import Login
from totelake.frames import conform, same_row, schema
from totelake.source import FoundTable, SourceReader
from totelake.tables import RAW_LINEAGE, SourceTable

FETCH_ROWS = 20_000
PARTITION_BYTES = 64 * 2**20


def read_changes(
    spark: SparkSession, login: Login, source: SourceReader, table: FoundTable, changed_since: int
) -> DataFrame:
    """Return the rows of `table` written by the transaction `changed_since` or a later one.

    Columns: the declared ones, `_op`, `_source_version`, then those that nobody declared. One connection reads each
    block range, all of them at the snapshot of `source`.
    """
    rows = spark.read.jdbc(
        login.jdbc_url,
        f"({source.changed_rows(table)}) AS changed",
        predicates=block_ranges(table.bytes, table.block_size),
        properties={
            "driver": "org.postgresql.Driver",
            "user": login.user,
            "password": login.password,
            "options": source.session_options(changed_since),
            "sessionInitStatement": source.session_statement,
            "fetchsize": str(FETCH_ROWS),
            "preferTimestampNTZ": "true",
        },
    )
    marked = rows.withColumn("_op", F.lit("U"))
    return conform(marked, table.declared.name, (*table.declared.columns, *RAW_LINEAGE), keep=table.extra)


def block_ranges(size: int, block_size: int) -> list[str]:
    """Return the conditions that split a table of `size` bytes into even runs of blocks, the last one open.

    Blocks need no index and know no skew; rows that lie behind the measured end belong to the last range.
    """
    parts = max(1, -(-size // PARTITION_BYTES))
    blocks = size // block_size
    bounds = [blocks * part // parts for part in range(parts)]
    lower = [f"_ctid >= '({block},0)'::tid" for block in bounds]
    upper = [f" AND _ctid < '({block},0)'::tid" for block in bounds[1:]] + [""]
    return [low + high for low, high in zip(lower, upper, strict=True)]


def without_landed(
    rows: DataFrame, table: SourceTable, bucket: str, batches: Iterable[IngestedBatch], since: int
) -> DataFrame:
    """Return `rows` without the versions that `batches` have already brought to `bucket`.

    A version is its primary key and its `_source_version`; none before `since` can be among `rows`.
    """
    paths = [f"s3://{bucket}/{batch.tables[table.name].path}" for batch in batches if table.name in batch.tables]
    if not paths:
        return rows
    identity = (*table.key, "_source_version")
    landed = (
        rows.sparkSession.read.schema(schema((*table.columns, *RAW_LINEAGE)))
        .parquet(*paths)
        .where(F.col("_source_version") >= since)
        .select(*identity)
    )
    return rows.join(landed, same_row(rows, landed, identity), "left_anti")

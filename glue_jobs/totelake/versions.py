"""The versions of records that a zone holds, and the latest of each."""

from collections.abc import Iterable

import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession, Window
from pyspark.sql import functions as F  # noqa: N812 - Spark's own convention

from totelake.batches import IngestedBatch, ProcessedBatch
from totelake.frames import schema
from totelake.tables import BATCH_ID, RAW_LINEAGE, SourceTable, StarTable
from totelake.tables.model import INGESTED_SEQUENCE

SEQUENCE = INGESTED_SEQUENCE.name


def all_of(spark: SparkSession, bucket: str, table: SourceTable, batches: Iterable[IngestedBatch]) -> DataFrame:
    """Return the version of every row of `table` that `batches` brought, with the sequence of the batch that did.

    `bucket` is the ingested one. Columns: the declared ones, `_op`, `_source_version`, `_ingested_sequence`.
    """
    bringing = _bringing(table.name, batches)
    columns = (*table.columns, *RAW_LINEAGE)
    if not bringing:
        return spark.createDataFrame([], schema((*columns, INGESTED_SEQUENCE)))
    rows = (
        spark.read.schema(schema((*columns, BATCH_ID)))
        .option("basePath", f"s3://{bucket}/tables/{table.name}/")
        .parquet(*(f"s3://{bucket}/{batch.tables[table.name].path}" for batch in bringing))
    )
    if len(bringing) == 1:
        return rows.drop(BATCH_ID.name).withColumn(SEQUENCE, F.lit(bringing[0].sequence))
    # An Arrow table reaches Spark without starting a Python worker.
    numbers = pa.array([batch.sequence for batch in bringing], pa.int32())
    names = [batch.batch_id for batch in bringing]
    sequences = spark.createDataFrame(pa.table({BATCH_ID.name: names, SEQUENCE: numbers}))
    return rows.join(F.broadcast(sequences), BATCH_ID.name, "inner").drop(BATCH_ID.name)


def latest_of(spark: SparkSession, bucket: str, table: SourceTable, batches: Iterable[IngestedBatch]) -> DataFrame:
    """Return the latest version of every row of `table` that `batches` brought, in the columns of `all_of`."""
    bringing = _bringing(table.name, batches)
    rows = all_of(spark, bucket, table, bringing)
    return rows if len(bringing) == 1 else latest(rows, table.key)


def _bringing[B: (IngestedBatch, ProcessedBatch)](table: str, batches: Iterable[B]) -> list[B]:
    return [batch for batch in batches if table in batch.tables]


def written_rows(
    spark: SparkSession, bucket: str, table: StarTable, batches: Iterable[ProcessedBatch]
) -> DataFrame | None:
    """Return the latest row of each key of a dimension that `batches` wrote, None when they wrote none."""
    paths = [f"s3://{bucket}/{batch.tables[table.name].path}" for batch in _bringing(table.name, batches)]
    if not paths:
        return None
    rows = spark.read.schema(schema(table.stored_columns)).parquet(*paths)
    return rows if len(paths) == 1 else latest(rows, table.key)


def latest(rows: DataFrame, key: tuple[str, ...]) -> DataFrame:
    """Return for each `key` the row of the youngest batch.

    Batches order the versions of a record, transaction ids do not: of two transactions the one with the lower id can
    be the later one to write the row. One batch shows one snapshot, in which a record has one version: the rows of one
    batch alone are the latest as they are.
    """
    youngest = Window.partitionBy(*key).orderBy(F.col(SEQUENCE).desc())
    return rows.withColumn("_age", F.row_number().over(youngest)).where("_age = 1").drop("_age")

"""The versions of records that a zone holds, and the latest of each."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from functools import reduce

import pyarrow as pa
from pyspark.sql import Column as SparkColumn
from pyspark.sql import DataFrame, SparkSession, Window
from pyspark.sql import functions as F  # noqa: N812 - Spark's own convention

from totelake.lake.batches import IngestedBatch, ProcessedBatch
from totelake.lake.frames import quoted, schema
from totelake.tables import BATCH_ID, RAW_LINEAGE, Column, SourceTable, StarTable
from totelake.tables.model import DELETED_AT, INGESTED_SEQUENCE, VARCHAR

SEQUENCE = INGESTED_SEQUENCE.name
_TAKEN_AT = "_taken_at"
_EXACT_DECIMAL = r"^-?\d{1,20}(\.\d{1,18}0*)?$"


def all_of(
    spark: SparkSession,
    bucket: str,
    table: SourceTable,
    batches: Iterable[IngestedBatch],
    *,
    undeclared: tuple[str, ...] = (),
) -> DataFrame:
    """Return the version of every row of `table` that `batches` brought, with the sequence of the batch that did.

    `bucket` is the ingested one. Columns: the declared ones, those called `undeclared` as text, `_op`,
    `_source_version`, `_ingested_sequence`, and `_deleted_at`, which is the time of the batch's snapshot where the
    batch found the row gone.
    """
    bringing = _bringing(table.name, batches)
    columns = (*table.columns, *(Column(name, VARCHAR, "") for name in undeclared))
    if not bringing:
        return spark.createDataFrame([], schema((*columns, *RAW_LINEAGE, INGESTED_SEQUENCE, DELETED_AT)))
    alike = _alike(table.name, [column.name for column in columns], bringing)
    rows = reduce(DataFrame.unionByName, (_read(spark, bucket, table, columns, some) for some in alike))
    if len(bringing) == 1:
        numbered = rows.withColumn(SEQUENCE, F.lit(bringing[0].sequence)).withColumn(
            _TAKEN_AT, F.lit(_taken_at(bringing[0]))
        )
    else:
        # An Arrow table reaches Spark without starting a Python worker.
        told = {
            BATCH_ID.name: [batch.batch_id for batch in bringing],
            SEQUENCE: pa.array([batch.sequence for batch in bringing], pa.int32()),
            _TAKEN_AT: pa.array([_taken_at(batch) for batch in bringing], pa.timestamp("us")),
        }
        numbered = rows.join(F.broadcast(spark.createDataFrame(pa.table(told))), BATCH_ID.name, "inner")
    gone = F.when(F.col("_op") == "D", F.col(_TAKEN_AT).cast(DELETED_AT.type.spark))
    return numbered.withColumn(DELETED_AT.name, gone).drop(BATCH_ID.name, _TAKEN_AT)


def _alike(table: str, names: list[str], batches: list[IngestedBatch]) -> list[list[IngestedBatch]]:
    """Return the batches, those together whose files are read in the same way.

    They wrote the same of the columns `names` as text, because those were not declared then, and either all of them or
    none had its keys checked.
    """
    alike: dict[tuple[frozenset[str], bool], list[IngestedBatch]] = {}
    for batch in batches:
        as_text = frozenset(batch.tables[table].undeclared).intersection(names)
        alike.setdefault((as_text, bool(batch.identities)), []).append(batch)
    return list(alike.values())


def _read(
    spark: SparkSession,
    bucket: str,
    table: SourceTable,
    columns: tuple[Column, ...],
    batches: list[IngestedBatch],
) -> DataFrame:
    """Return the rows that `batches`, which are `_alike`, wrote of `table`, with `columns`.

    A column is NULL that is not declared and that they did not write as text, and a text that does not fit the type in
    which the column was declared later.
    """
    as_text = batches[0].tables[table.name].undeclared
    written = [
        replace(column, type=VARCHAR) if column.name in as_text else column
        for column in columns
        if column.name in as_text or column.name in table.column_names
    ]
    rows = (
        spark.read.schema(schema((*written, *RAW_LINEAGE, BATCH_ID)))
        .option("basePath", f"s3://{bucket}/tables/{table.name}/")
        .parquet(*(f"s3://{bucket}/{batch.tables[table.name].path}" for batch in batches))
    )
    present = {column.name for column in written}
    others = {
        column.name: _from_text(column) if column.name in present else F.lit(None).cast(column.type.spark)
        for column in columns
        if column.name in as_text or column.name not in present
    }
    read = rows.withColumns(others)
    return read if batches[0].identities else _one_of_each(read, table)


def _from_text(column: Column) -> SparkColumn:
    """Return the value of a `column` that is there as text, NULL where it does not fit its type exactly."""
    text = F.col(quoted(column.name))
    value = text.try_cast(column.type.spark)
    return F.when(text.rlike(_EXACT_DECIMAL), value) if column.type.spark.startswith("decimal") else value


def _one_of_each(rows: DataFrame, table: SourceTable) -> DataFrame:
    """Return one version of each record from each batch.

    Older versions committed batches in which a key occurs more than once, and a batch cannot be changed.
    """
    chosen = Window.partitionBy(*table.key, BATCH_ID.name).orderBy(
        F.col("_op").desc(), F.col("_source_version").desc(), F.xxhash64(*table.column_names)
    )
    return rows.withColumn("_copy", F.row_number().over(chosen)).where("_copy = 1").drop("_copy")


def is_gone() -> SparkColumn:
    """Return the condition that a version says that the record was deleted."""
    return F.col(DELETED_AT.name).isNotNull()


def _taken_at(batch: IngestedBatch) -> datetime:
    return datetime.fromisoformat(batch.snapshot.taken_at).replace(tzinfo=None)


def latest_of(
    spark: SparkSession,
    bucket: str,
    table: SourceTable,
    batches: Iterable[IngestedBatch],
    *,
    undeclared: tuple[str, ...] = (),
) -> DataFrame:
    """Return the latest version of every row of `table` that `batches` brought, in the columns of `all_of`."""
    bringing = _bringing(table.name, batches)
    rows = all_of(spark, bucket, table, bringing, undeclared=undeclared)
    return rows if len(bringing) == 1 else latest(rows, table.key)


def _bringing[B: (IngestedBatch, ProcessedBatch)](table: str, batches: Iterable[B]) -> list[B]:
    return [batch for batch in batches if table in batch.tables]


def written_versions(spark: SparkSession, bucket: str, table: StarTable, paths: Iterable[str]) -> DataFrame:
    """Return the rows of `table` in the files below `paths` of the processed `bucket`."""
    addresses = [f"s3://{bucket}/{path}" for path in paths]
    if not addresses:
        return spark.createDataFrame([], schema(table.stored_columns))
    # The folders of months say what is in the rows already.
    files = spark.read.schema(schema(table.stored_columns)).option("recursiveFileLookup", "true")
    return files.parquet(*addresses)


def written_rows(spark: SparkSession, bucket: str, table: StarTable, batches: Iterable[ProcessedBatch]) -> DataFrame:
    """Return the latest row of each key of a dimension that `batches` wrote to the processed `bucket`."""
    paths = [batch.tables[table.name].path for batch in _bringing(table.name, batches)]
    rows = written_versions(spark, bucket, table, paths)
    return rows if len(paths) == 1 else latest(rows, table.key)


def latest(rows: DataFrame, key: tuple[str, ...]) -> DataFrame:
    """Return for each `key` the row of the youngest batch.

    Batches order the versions of a record, transaction ids do not: of two transactions the one with the lower id can
    be the later one to write the row. One batch shows one snapshot, in which a record has one version: the rows of one
    batch alone are the latest as they are.
    """
    youngest = Window.partitionBy(*key).orderBy(F.col(SEQUENCE).desc())
    return rows.withColumn("_age", F.row_number().over(youngest)).where("_age = 1").drop("_age")

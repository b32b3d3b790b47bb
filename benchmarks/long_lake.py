"""Writes a lake with a long history: the batches of as many runs, without a run of Spark for each.

The first batch is made by the stages. For the others, `benchmarks.changes` changes totesys in one transaction for each,
and records what its ingest would have read. The star rows are those of the platform's transforms, applied once to all
recorded versions. The files are written by the function with which the stages write few rows, the commit records and
checkpoints by `CommitLog.commit`, and every eighth batch is followed by the compact stage.

Different from as many runs: totesys is changed faster than a schedule would, so a year takes minutes; a partition is
registered in the catalog at the end, and only if it is live then; the stages' metrics and logs are discarded.
"""

import contextlib
import io
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import accumulate
from typing import Any

import boto3
import pyarrow as pa
from pyarrow import compute
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F  # noqa: N812 - Spark's own convention
from pyspark.sql.types import StructType

from benchmarks import changes
from benchmarks.changes import Recorded
from benchmarks.direct_storage import direct_storage
from tests.lakes import Lake, job_run
from totelake import compact
from totelake.lake import catalog, objects, parquet_files
from totelake.lake.batches import IngestedBatch, IngestedTable, ProcessedBatch, ProcessedTable
from totelake.lake.commit_log import CommitLog
from totelake.lake.frames import schema
from totelake.lake.scan import arrow_schema, local_frame
from totelake.lake.zones import INGESTED, PROCESSED
from totelake.runtime.clients import s3_for_readers
from totelake.runtime.connections import Login
from totelake.tables import SOURCE_TABLES, STAR_TABLES
from totelake.tables.model import DELETED_AT, INGESTED_SEQUENCE, MONTH, OPERATION, SEVERAL_MONTHS
from totelake.transform import files
from totelake.transform.rules import breaks_rules, check_rules
from totelake.transform.star_tables import TRANSFORMS, Transform

BATCHES_PER_COMPACTION = 8
A_YEAR = 2 * 24 * 365
STARS = {"sales_order": "fact_sales_order", "payment": "fact_payment", "address": "dim_location"}
"""The star table with a new row for each changed row of a source table."""

type RowsByBatch = dict[str, list[pa.Table]]
"""The rows of each table in each of the generated batches."""


@dataclass(frozen=True)
class LongLake:
    """A lake with a long history, and all rows of its processed zone by star table."""

    lake: Lake
    rows: dict[str, pa.Table]


def generate(lake: Lake, totesys: str, reader: Login, batches: int, *, compacted: bool) -> LongLake:
    """Fill the empty `lake` with so many `batches`, the changes of which are made in `totesys`.

    The next ingest of `totesys` finds nothing new. Without `compacted`, no batch is compacted: the checkpoints of many
    batches are then large.
    """
    changes.define(totesys)
    with quiet():
        ingested, processed = lake.ingest(reader), lake.transform()
    if not (ingested and processed):
        raise ValueError("totesys has no rows for a first batch")
    recorded = list(changes.record(totesys, 2, batches, ingested.snapshot))
    versions = {table: _versions(table, recorded) for table in changes.CHANGED}
    stars = {star: _stars(lake.spark, source, versions[source]) for source, star in STARS.items()}
    digests = {table: written.schema for table, written in ingested.tables.items()}
    first = {table: list(_live_rows(lake, table)) for table in STAR_TABLES}
    with quiet(), direct_storage(lake.folder):
        for each, of_sources, of_stars in zip(recorded, _by_batch(versions), _by_batch(stars), strict=True):
            rows = {table: of_table.drop_columns(INGESTED_SEQUENCE.name) for table, of_table in of_sources.items()}
            ingested = _ingested(lake, ingested, each, rows, digests)
            processed = _processed(lake, processed, ingested, of_stars)
            if compacted and processed.sequence % BATCHES_PER_COMPACTION == 0:
                compact.run(job_run(), lake.ingested, lake.processed)
    register(lake)
    added = {table: [rows] for table, rows in stars.items()}
    return LongLake(lake, {table: pa.concat_tables([*first[table], *added.get(table, [])]) for table in STAR_TABLES})


def register(lake: Lake) -> None:
    """Register the partitions of all live files of `lake`, and no others."""
    for zone, log in (
        (INGESTED, CommitLog(lake.ingested, IngestedBatch)),
        (PROCESSED, CommitLog(lake.processed, ProcessedBatch)),
    ):
        tables = log.live_files().tables
        for table, sets in tables.items():
            catalog.remove_others(zone, table, catalog.partitions(zone, table), sets)
        catalog.create(zone, tables)


def in_one_batch(lake: Lake, rows: dict[str, pa.Table]) -> None:
    """Write `rows` of the star tables to the empty processed bucket of `lake`, as one batch.

    Of a dimension these are the latest versions, as of a batch that covers all: a dimension has no others in one.
    """
    s3 = s3_for_readers(boto3)
    run = job_run()
    taken_at = objects.now()
    batch_id = objects.batch_id(taken_at, run.attempt_id)
    tables = {}
    for name, table in STAR_TABLES.items():
        written = rows[name] if table.is_fact else _latest(rows[name], table.natural_key)
        tables[name] = _star_table(s3, lake.processed, name, batch_id, written)
    batch = ProcessedBatch(1, batch_id, 1, 1, taken_at, tables, run.id, run.code_version, objects.now())
    CommitLog(lake.processed, ProcessedBatch).commit(batch)
    catalog.create(PROCESSED, batch.file_sets)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Discard the stages' logs; print them if the block raises."""
    output = io.StringIO()
    try:
        with contextlib.redirect_stdout(output):
            yield
    except BaseException:
        sys.stdout.write(output.getvalue()[-10_000:])
        raise


def _ingested(
    lake: Lake, previous: IngestedBatch, change: Recorded, rows: dict[str, pa.Table], digests: dict[str, str]
) -> IngestedBatch:
    """Commit the ingested batch of `change`, whose new versions are `rows`; `digests` are those of their columns."""
    run, s3 = job_run(), s3_for_readers(boto3)
    batch_id = objects.batch_id(change.snapshot.taken_at, run.attempt_id)
    tables = {}
    for name, versions in rows.items():
        path = objects.table_path(name, batch_id)
        written = objects.write_tables(s3, lake.ingested, path, {"": versions})
        updated = compute.min_max(versions["last_updated"])
        tables[name] = IngestedTable(
            path=path,
            rows=versions.num_rows,
            deletes=0,
            bytes=sum(file.bytes for file in written),
            lowest_last_updated=_as_text(updated["min"].as_py()),
            highest_last_updated=_as_text(updated["max"].as_py()),
            schema=digests[name],
            files=written,
        )
    batch = replace(
        previous,
        sequence=previous.sequence + 1,
        batch_id=batch_id,
        full=False,
        snapshot=change.snapshot,
        tables=tables,
        run_id=run.id,
        committed_at=objects.now(),
        alive=previous.alive | {"sales_order": previous.alive["sales_order"] + 1},
    )
    CommitLog(lake.ingested, IngestedBatch).commit(batch)
    return batch


def _processed(
    lake: Lake, previous: ProcessedBatch, ingested: IngestedBatch, rows: dict[str, pa.Table]
) -> ProcessedBatch:
    """Commit the processed batch that covers `ingested`, with the star `rows`."""
    run, s3 = job_run(), s3_for_readers(boto3)
    taken_at = ingested.snapshot.taken_at
    batch_id = objects.batch_id(taken_at, run.attempt_id)
    batch = replace(
        previous,
        sequence=previous.sequence + 1,
        batch_id=batch_id,
        first_ingested=ingested.sequence,
        last_ingested=ingested.sequence,
        snapshot_taken_at=taken_at,
        tables={name: _star_table(s3, lake.processed, name, batch_id, each) for name, each in rows.items()},
        run_id=run.id,
        committed_at=objects.now(),
    )
    CommitLog(lake.processed, ProcessedBatch).commit(batch)
    return batch


def _star_table(s3: Any, bucket: str, table: str, batch_id: str, rows: pa.Table) -> ProcessedTable:
    """Write `rows` of a star table as one file of a batch."""
    path = objects.table_path(table, batch_id)
    months = (SEVERAL_MONTHS,) if STAR_TABLES[table].is_fact else ()
    written = objects.write_tables(s3, bucket, path, {"".join(f"{MONTH.name}={month}/" for month in months): rows})
    return ProcessedTable(path, rows.num_rows, sum(file.bytes for file in written), months, written)


def _versions(table: str, recorded: list[Recorded]) -> pa.Table:
    """Return the `recorded` rows of a source table with the columns of the files of a batch, and its sequence."""
    types = arrow_schema(SOURCE_TABLES[table].stored_columns)
    # The ingest's column is a literal.
    place = types.get_field_index(OPERATION.name)
    types = types.set(place, types.field(place).with_nullable(False))
    rows = pa.Table.from_pylist([row for each in recorded for row in each.rows[table]], types)
    sequences = [number for number, each in enumerate(recorded, 2) for _ in each.rows[table]]
    return rows.append_column(INGESTED_SEQUENCE.name, pa.array(sequences, pa.int32())).combine_chunks()


def _as_text(time: datetime) -> str:
    """Return `time` with as many digits of the second as it needs, as the ingest records it."""
    text = time.isoformat(sep=" ")
    return text.rstrip("0") if time.microsecond else text


def _stars(spark: SparkSession, source: str, versions: pa.Table) -> pa.Table:
    """Return the star rows of the `versions` of the table `source`, ordered by batch."""
    table, columns = STAR_TABLES[STARS[source]], SOURCE_TABLES[source].stored_columns
    star = _fact if table.is_fact else _dimension
    frame = star(spark, TRANSFORMS[table.name], versions, schema((*columns, INGESTED_SEQUENCE)))
    checked = check_rules(frame, table, {})
    if broken := checked.where(breaks_rules()).count():
        raise ValueError(f"{broken} generated rows of {table.name} break a rule: they would not be written")
    rows = files.exact(checked, table).toArrow().cast(arrow_schema(table.stored_columns))
    return rows.sort_by([(INGESTED_SEQUENCE.name, "ascending")]).combine_chunks()


def _fact(spark: SparkSession, transform: Transform, versions: pa.Table, types: StructType) -> DataFrame:
    return transform.function(_with_deleted_at(local_frame(spark, versions, types)))


def _dimension(spark: SparkSession, transform: Transform, versions: pa.Table, types: StructType) -> DataFrame:
    """Return the rows of a dimension with one source.

    A dimension has one row for a record, and no batch before it is written: each version is transformed under a key of
    its own.
    """
    [natural], [key] = STAR_TABLES[transform.table].natural_key, SOURCE_TABLES[transform.sources[0]].key
    own_keys = pa.array(range(versions.num_rows), pa.int32())
    keys = pa.table({"_own": own_keys, "_key": versions[key], "_sequence": versions[INGESTED_SEQUENCE.name]})
    versions = versions.set_column(versions.schema.get_field_index(key), key, own_keys)
    rows = transform.function(_with_deleted_at(local_frame(spark, versions, types)))
    rows = rows.join(local_frame(spark, keys), F.col(natural) == F.col("_own"), "inner")
    return rows.withColumns({natural: F.col("_key"), INGESTED_SEQUENCE.name: F.col("_sequence")})


def _with_deleted_at(rows: DataFrame) -> DataFrame:
    return rows.withColumn(DELETED_AT.name, F.lit(None).cast(DELETED_AT.type.spark))


def _by_batch(tables: dict[str, pa.Table]) -> Iterator[dict[str, pa.Table]]:
    """Yield for each batch its rows of each of `tables`, which are ordered by batch."""
    for rows in zip(*map(_split, tables.values()), strict=True):
        yield dict(zip(tables, rows, strict=True))


def _split(rows: pa.Table) -> Iterator[pa.Table]:
    counts = compute.value_counts(rows[INGESTED_SEQUENCE.name]).field("counts").to_pylist()
    for first, number in zip(accumulate([0, *counts]), counts, strict=False):
        yield rows.slice(first, number)


def _live_rows(lake: Lake, table: str) -> Iterable[pa.Table]:
    """Yield the rows of a star table in the first batch."""
    s3, sets = s3_for_readers(boto3), lake.processed_files(table)
    expected = arrow_schema(STAR_TABLES[table].stored_columns)
    for tables in parquet_files.tables_of(s3, lake.processed, sets, columns=expected.names):
        yield from (rows.select(expected.names).cast(expected) for rows in tables)


def _latest(rows: pa.Table, key: tuple[str, ...]) -> pa.Table:
    """Return the row of the latest batch for each `key`."""
    rows = rows.sort_by([(INGESTED_SEQUENCE.name, "ascending")])
    places = {tuple(row.values()): place for place, row in enumerate(rows.select(list(key)).to_pylist())}
    return rows.take(list(places.values()))

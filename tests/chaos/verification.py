"""Verification of the warehouse, the lake and the catalog of a testbed."""

from collections import Counter
from typing import Any

import boto3
import psycopg
from pyarrow import dataset

from tests.chaos import oracle
from tests.chaos.testbed import PipelineTestbed
from totelake.lake import catalog, parquet_files
from totelake.lake.batches import IngestedBatch, ProcessedBatch
from totelake.lake.commit_log import CommitLog
from totelake.lake.file_sets import FileSet, LiveFiles
from totelake.lake.zones import INGESTED, PROCESSED, Zone
from totelake.runtime.clients import s3_for_readers
from totelake.runtime.connections import session_options
from totelake.tables import STAR_TABLES


def verify(testbed: PipelineTestbed, faults: list[str]) -> int:
    """Append to `faults` what is wrong in `testbed`: in the warehouse, its ledger, the committed files, the catalog.

    Return the number of rows of the warehouse that were compared.
    """
    batches, moments = testbed.batches(), [batch.last_ingested for batch in testbed.processed()]
    compared = Counter((batch.number, name) for batch in batches for name in batch.compared)
    with (
        psycopg.connect(testbed.totesys) as source,
        psycopg.connect(testbed.warehouse.conninfo, options=session_options(search_path="public")) as warehouse,
    ):
        actual = oracle.actual(warehouse) | _quarantined(testbed)
        actual["compared by content"] = compared
        # Changes without a batch are expected too: if the next run missed them, every later run would.
        now = oracle.next_batch(source, batches[-1])
        faults += oracle.differences(oracle.expected(source, [*batches, now], [*moments, now.number]), actual)
        loaded = warehouse.execute("SELECT batch_id FROM load_ledger ORDER BY processed_sequence").fetchall()
    if (committed := [(batch.batch_id,) for batch in testbed.processed()]) != loaded:
        faults.append(f"the ledger has {loaded}, the log {committed}")
    changed = [path for path, checksum in testbed.checksums.items() if testbed.checksum(path) != checksum]
    faults += [f"{path} was committed and has changed since" for path in changed]
    for zone, log in (
        (INGESTED, CommitLog(testbed.lake.ingested, IngestedBatch)),
        (PROCESSED, CommitLog(testbed.lake.processed, ProcessedBatch)),
    ):
        faults += _faults_of_catalog(testbed, zone, log.live_files())
        if not changed:  # changed files may be unreadable
            faults += _faults_of_compactions(zone, log)
    return sum(rows.total() for rows in actual.values())


def _quarantined(testbed: PipelineTestbed) -> dict[str, oracle.Rows]:
    """Return the quarantined rows of the last processed batch: keys, for a fact with the batch, and the rule."""
    quarantined = {}
    for name, rows in testbed.processed()[-1].held.items():
        table = STAR_TABLES[name]
        folder = testbed.lake.folder / testbed.lake.processed / rows.path
        lines = dataset.dataset(folder, format="parquet").to_table().to_pylist()
        identity = table.identity if table.is_fact else table.natural_key
        quarantined[f"{name}.quarantined"] = Counter(
            {(*(line[column] for column in identity), line["rule"]): 1 for line in lines if not line["superseded"]}
        )
    return quarantined


def _faults_of_compactions(zone: Zone, log: CommitLog[Any]) -> list[str]:
    """Return the tables whose live files have not the rows that all batches wrote, each with its lineage."""
    live, written = log.live_files(), LiveFiles().after(log.since(0))
    return [
        f"{zone.name}.{name}: the live files have other rows than the batches"
        for name in written.tables
        if _rows(log.bucket, live.of(name), zone) != _rows(log.bucket, written.of(name), zone)
    ]


def _rows(bucket: str, sets: tuple[FileSet, ...], zone: Zone) -> Counter[frozenset[tuple[str, object]]]:
    read = zip(sets, parquet_files.tables_of(s3_for_readers(boto3), bucket, sets), strict=True)
    parts = (
        parquet_files.with_lineage(files, rows) if zone == INGESTED else rows
        for files, tables in read
        for rows in tables
    )
    # A column that a file lacks is NULL.
    return Counter(
        frozenset((name, value) for name, value in row.items() if value is not None)
        for part in parts
        for row in part.to_pylist()
    )


def _faults_of_catalog(testbed: PipelineTestbed, zone: Zone, files: LiveFiles) -> list[str]:
    tables = testbed.glue.databases[zone.database].tables
    faults = []
    for name, table in tables.items():
        registered = sorted("/".join(partition.values) for partition in table.partitions.values())
        live = [partition for each in files.of(name) for partition in catalog.partitions_of(each)]
        expected = sorted("/".join(partition.values) for partition in live)
        if registered != expected:
            faults.append(f"{zone.database}.{name}: the catalog has {registered}, the log {expected}")
    return faults

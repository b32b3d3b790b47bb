"""Whether the warehouse, the lake and the catalog of a site are what they have to be."""

from collections import Counter
from typing import Any

import psycopg
from pyarrow import dataset

from tests.chaos import oracle
from tests.chaos.site import Site
from totelake.lake import catalog
from totelake.lake.zones import INGESTED, PROCESSED, Zone
from totelake.tables import STAR_TABLES


def hold_against_source(site: Site, faults: list[str]) -> int:
    """Add to `faults` what is wrong at `site`: in the warehouse, its ledger, the committed files, the catalog.

    Returns how many rows of the warehouse were compared.
    """
    batches, moments = site.batches(), [batch.last_ingested for batch in site.processed()]
    compared = Counter((batch.number, name) for batch in batches for name in batch.compared)
    with psycopg.connect(site.totesys) as source, psycopg.connect(site.warehouse.conninfo) as warehouse:
        held = oracle.held(warehouse) | _waiting(site)
        held["compared by content"] = compared
        # What no batch was committed for is due as well: the next run found nothing, and would go on finding nothing.
        now = oracle.present(source, batches[-1])
        faults += oracle.differences(oracle.expected(source, [*batches, now], [*moments, now.number]), held)
        loaded = warehouse.execute("SELECT batch_id FROM load_ledger ORDER BY processed_sequence").fetchall()
    if (committed := [(batch.batch_id,) for batch in site.processed()]) != loaded:
        faults.append(f"the ledger has {loaded}, the log {committed}")
    changed = [path for path, checksum in site.checksums.items() if site.checksum(path) != checksum]
    faults += [f"{path} was committed and is not the same any more" for path in changed]
    faults += _faults_of_catalog(site, INGESTED, site.ingested())
    faults += _faults_of_catalog(site, PROCESSED, site.processed())
    return sum(rows.total() for rows in held.values())


def _waiting(site: Site) -> dict[str, oracle.Rows]:
    """Return what the last processed batch holds back: keys, of a fact with the batch, and the rule."""
    waiting = {}
    for name, rows in site.processed()[-1].held.items():
        table = STAR_TABLES[name]
        folder = site.lake.folder / site.lake.processed / rows.path
        lines = dataset.dataset(folder, format="parquet").to_table().to_pylist()
        identity = table.identity if table.is_fact else table.natural_key
        waiting[f"{name}.waiting"] = Counter(
            {(*(line[column] for column in identity), line["rule"]): 1 for line in lines if not line["superseded"]}
        )
    return waiting


def _faults_of_catalog(site: Site, zone: Zone, batches: list[Any]) -> list[str]:
    tables = site.glue.databases[zone.database].tables
    faults = []
    for name, table in tables.items():
        found = sorted("/".join(partition.values) for partition in table.partitions.values())
        wanted = sorted(
            "/".join(partition.values)
            for batch in batches
            if name in batch.tables
            for partition in catalog.partitions(batch, name)
        )
        if found != wanted:
            faults.append(f"{zone.database}.{name}: the catalog has {found}, the log {wanted}")
    return faults

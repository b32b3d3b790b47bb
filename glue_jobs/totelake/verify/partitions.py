"""Compares the partitions in the catalog with those of the live files."""

from collections.abc import Sequence

from botocore.exceptions import ClientError

from totelake.lake import catalog
from totelake.lake.file_sets import FileSet, LiveFiles
from totelake.lake.zones import Zone
from totelake.runtime.clients import Clients
from totelake.verify.findings import Kind
from totelake.verify.known_sets import KnownSets
from totelake.verify.zone_objects import ZoneObjects

_RUNNING = "A run that has not ended may be about to {}."


def registered(zone: Zone, table: str, aws: Clients) -> list[list[str]] | None:
    """Return the values of the partitions of `table`, None when the catalog has no such table."""
    try:
        return catalog.partitions(zone, table, aws)
    except ClientError as error:
        if error.response["Error"]["Code"] == "EntityNotFoundException":
            return None
        raise


def check(
    zone: ZoneObjects, table: str, partitions: Sequence[Sequence[str]] | None, live: LiveFiles, known: KnownSets
) -> None:
    """Report the live files of `table` that have none of the registered `partitions`, and partitions without.

    The partitions have to have been listed before the commit records were read.
    """
    name, folder = f"{zone.zone.database}.{table}", f"tables/{table}/"
    if partitions is None:
        text = f"The catalog has no table {name}: queries fail. Apply Terraform, then run totelake compact."
        zone.report(Kind.TABLE_MISSING, folder, text, table=table)
        return
    expected = {part.values: files for files in live.of(table) for part in catalog.partitions_of(files)}
    for values in sorted(expected.keys() - set(map(tuple, partitions))):
        files = expected[values]
        is_recent = zone.is_recent(known.made_at.get(files.path))
        text = f"{name} has no partition {'/'.join(values)}: queries lack its rows. " + (
            _RUNNING.format("register it") if is_recent else "Run totelake compact, which registers it."
        )
        key = next(part.folder for part in catalog.partitions_of(files) if part.values == values)
        zone.report(Kind.PARTITION_MISSING, folder + key, text, table=table, number=files.last, is_fault=not is_recent)
    for values in sorted(set(map(tuple, partitions)) - expected.keys()):
        _report_superfluous(
            zone, table, values, known.tables.get(table, {}).get(f"{folder}batch_id={values[0]}/"), known
        )


def _report_superfluous(
    zone: ZoneObjects, table: str, values: tuple[str, ...], files: FileSet | None, known: KnownSets
) -> None:
    is_recent = files is not None and zone.is_recent(known.ended_at(files))
    why = "whose files have been replaced" if files else "which no commit record has"
    text = (
        f"{zone.zone.database}.{table} has the partition {'/'.join(values)}, {why}: queries on the table count rows "
        f"twice. {_RUNNING.format('remove it') if is_recent else 'Run totelake compact, which removes it.'}"
    )
    key = f"tables/{table}/" + "".join(
        f"{name}={value}/" for name, value in zip(("batch_id", "month"), values, strict=False)
    )
    zone.report(
        Kind.PARTITION_SUPERFLUOUS,
        key,
        text,
        table=table,
        number=files.last if files else None,
        is_fault=not is_recent,
    )

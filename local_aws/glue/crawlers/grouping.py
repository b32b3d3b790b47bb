"""Grouping of data folders into tables and partitions.

Without a table level, a folder is a table when all schemas below it are similar, else its subfolders are examined
("How does a crawler determine when to create partitions?", Glue's developer guide; the guide speaks of the majority of
schemas, which is all of them here (choice)).
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from urllib.parse import unquote

from local_aws.glue.crawlers.lake import DataFolder, Statistics, location
from local_aws.glue.crawlers.log import CrawlLog
from local_aws.glue.crawlers.schema import HiveSchema, are_alike, merged
from local_aws.glue.crawlers.settings import CrawlerSettings, S3Target

type PathParts = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CrawledPartition:
    """A folder of a table, with its partition values."""

    values: tuple[str, ...]
    location: str
    schema: HiveSchema
    statistics: Statistics


@dataclass(frozen=True, slots=True)
class CrawledTable:
    """A folder that is a table; `name` is the folder's, as the catalog would write it."""

    name: str
    location: str
    schema: HiveSchema
    partition_keys: tuple[str, ...]
    partitions: tuple[CrawledPartition, ...]
    statistics: Statistics


def tables(
    target: S3Target, folders: list[DataFolder], known: Iterable[str], settings: CrawlerSettings, journal: CrawlLog
) -> Iterator[CrawledTable]:
    """Group the data folders of a target into tables.

    `known` are the locations of existing tables: folders below them belong to them, and no table is above them.
    """
    members: dict[PathParts, list[DataFolder]] = {}
    fixed = {parts for parts in map(_parts, known) if parts[:1] == (target.bucket,)}
    loose = []
    for folder in folders:
        owner = max(
            (parts for parts in fixed if _is_below((target.bucket, *folder.parts), parts)), default=None, key=len
        )
        if owner is not None:
            members.setdefault(owner[1:], []).append(folder)
        elif settings.table_level is None:
            loose.append(folder)
        elif len(folder.parts) >= settings.table_level - 1:  # the bucket is level 1
            members.setdefault(folder.parts[: settings.table_level - 1], []).append(folder)
        else:
            journal.warn(f"{folder.location} was skipped: it is above table level {settings.table_level}.")
    if loose:
        below = {parts[1:] for parts in fixed}
        members |= _by_schema(target.parts, loose, below, combine=settings.combine_compatible)
    for parts, folders_of_table in sorted(members.items()):
        yield _table(target.bucket, parts, folders_of_table, journal)


def _parts(address: str) -> PathParts:
    return tuple(part for part in address.partition("://")[2].split("/") if part)


def _is_below(parts: PathParts, root: PathParts) -> bool:
    return parts[: len(root)] == root


def _by_schema(
    root: PathParts, folders: list[DataFolder], known: set[PathParts], *, combine: bool
) -> dict[PathParts, list[DataFolder]]:
    """Return the topmost folders below which all schemas are similar, as tables.

    Files beside subfolders with tables are one table; AWS makes one of each file. (Choice.)
    """
    is_above_another = any(parts != root and _is_below(parts, root) for parts in known)
    if not is_above_another and are_alike([folder.schema for folder in folders], combine_compatible=combine):
        return {root: folders}
    children: dict[PathParts, list[DataFolder]] = {}
    for folder in folders:
        children.setdefault(folder.parts[: len(root) + 1], []).append(folder)
    tables_by_folder: dict[PathParts, list[DataFolder]] = {root: children.pop(root)} if root in children else {}
    for child, members_of_child in children.items():
        tables_by_folder |= _by_schema(child, members_of_child, known, combine=combine)
    return tables_by_folder


def _table(bucket: str, root: PathParts, folders: list[DataFolder], journal: CrawlLog) -> CrawledTable:
    """Return the table of these folders; partitions at another depth than most are skipped."""
    depth = Counter(len(folder.parts) for folder in folders).most_common(1)[0][0]
    for folder in folders:
        if len(folder.parts) != depth:
            journal.warn(f"{folder.location} was skipped: it is not as deep as the other partitions of its table.")
    folders = [folder for folder in folders if len(folder.parts) == depth]
    keys = _partition_keys([folder.parts[len(root) :] for folder in folders])
    statistics = sum((folder.statistics for folder in folders), Statistics())
    schema = {name: kind for name, kind in merged(folder.schema for folder in folders).items() if name not in keys}
    partitions = [_partition(folder, len(root), keys) for folder in folders] if keys else []
    name = root[-1] if root else bucket
    return CrawledTable(_catalog_name(name), location(bucket, root), schema, keys, tuple(partitions), statistics)


def _partition_keys(paths: list[PathParts]) -> tuple[str, ...]:
    """Return the partition keys: those of `key=value` folders, else `partition_0` and so on."""
    keys = []
    for number, level in enumerate(zip(*paths, strict=True)):
        names = {part.partition("=")[0].lower() if "=" in part else "" for part in level}
        keys.append(names.pop() if len(names) == 1 and "" not in names else f"partition_{number}")
    return tuple(keys)


def _partition(folder: DataFolder, depth: int, keys: tuple[str, ...]) -> CrawledPartition:
    values = tuple(
        unquote(part.partition("=")[2]) if part.lower().startswith(f"{key}=") else part
        for key, part in zip(keys, folder.parts[depth:], strict=True)
    )
    schema = {name: kind for name, kind in folder.schema.items() if name not in keys}
    return CrawledPartition(values, folder.location, schema, folder.statistics)


def _catalog_name(folder: str) -> str:
    return "".join(sign if sign.isalnum() and sign.isascii() else "_" for sign in folder.lower())

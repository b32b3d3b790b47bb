"""The file sets of a zone: which files have the rows of a table, after the commit records and the compactions."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol, Self

NOT_A_RECORD = (ValueError, TypeError, KeyError, AttributeError)
"""The errors of reading a JSON object that is not a commit record or checkpoint, or not JSON."""


class DataFile(NamedTuple):
    """A Parquet file: its `name` below the path of its set, its size in bytes, and the ETag of its content."""

    name: str
    bytes: int
    etag: str


@dataclass(frozen=True, slots=True)
class FileSet:
    """The files of one table that one batch or compaction wrote below `path`, with `rows` rows in `bytes` bytes.

    They have the rows of the commit records `first` to `last`. If the set is not `compacted`, these are one record,
    and for the ingested zone `taken_at` is the time of its snapshot; the rows of a compacted set have both as columns.

    `months` are a fact's partitions. `undeclared` are the columns of an ingested table that are stored as text.
    `keys_checked` is False for ingested batches of early versions, in which a key may occur more than once. `files` are
    the files, empty if the batch is of an early version: then they are all files below the path.
    """

    path: str
    rows: int
    bytes: int
    first: int
    last: int
    compacted: bool = False
    taken_at: str = ""
    months: tuple[str, ...] = ()
    undeclared: tuple[str, ...] = ()
    keys_checked: bool = True
    files: tuple[DataFile, ...] = ()

    @classmethod
    def from_json(cls, record: dict[str, Any]) -> Self:
        """Return the file set from its JSON `record`."""
        lists = {name: tuple(record[name]) for name in ("months", "undeclared")}
        return cls(**record | lists | {"files": data_files(record["files"])})


def data_files(records: Iterable[Iterable[Any]]) -> tuple[DataFile, ...]:
    """Return the files from their JSON `records`."""
    return tuple(DataFile(*record) for record in records)


class FilesOfBatch(Protocol):
    """What `LiveFiles` needs of a commit record."""

    @property
    def sequence(self) -> int:
        """The record's sequence number."""

    @property
    def is_full_refresh(self) -> bool:
        """Whether its files replace those of all batches before it."""

    @property
    def file_sets(self) -> Mapping[str, tuple[FileSet, ...]]:
        """The files that it adds, by table."""


@dataclass(frozen=True, slots=True)
class LiveFiles:
    """The files of a zone after the commit record `sequence`: the file sets of each table, the oldest first."""

    sequence: int = 0
    tables: Mapping[str, tuple[FileSet, ...]] = field(default_factory=dict)

    def of(self, table: str) -> tuple[FileSet, ...]:
        """Return the file sets of `table`, the oldest first."""
        return self.tables.get(table, ())

    @property
    def uncompacted(self) -> int:
        """The number of batches that no compaction has merged, of the table with most of them."""
        return max((sum(not each.compacted for each in sets) for sets in self.tables.values()), default=0)

    def after(self, batches: Iterable[FilesOfBatch]) -> Self:
        """Return the files after the commit of the next `batches` in order."""
        sequence, tables = self.sequence, dict(self.tables)
        for batch in batches:
            if batch.is_full_refresh:
                tables = {}
            tables |= {name: (*tables.get(name, ()), *sets) for name, sets in batch.file_sets.items()}
            sequence = batch.sequence
        return type(self)(sequence, tables)

    def replacing(self, table: str, replaced: tuple[FileSet, ...], by: FileSet) -> Self | None:
        """Return the files with the consecutive sets `replaced` of `table` replaced; None if they are not live."""
        sets = self.of(table)
        if not replaced or replaced[0] not in sets:
            return None
        start = sets.index(replaced[0])
        end = start + len(replaced)
        if sets[start:end] != replaced:
            return None
        return type(self)(self.sequence, {**self.tables, table: (*sets[:start], by, *sets[end:])})

"""The commit records: batches of the ingested and of the processed zone."""

from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import Any, Self

from totelake.lake.file_sets import DataFile, FileSet, data_files


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The totesys snapshot of a batch: `xmin`, `xmax` and `xip` are 64-bit transaction ids.

    A restore or a promotion starts a new `timeline`, which reuses transaction ids of the old one.
    """

    system_identifier: int
    timeline: int
    database_oid: int
    xmin: int
    xmax: int
    xip: tuple[int, ...]
    taken_at: str

    def break_after(self, previous: Self) -> str | None:
        """Return why transaction ids do not identify the rows changed since `previous`, None when they do."""
        if (self.system_identifier, self.database_oid) != (previous.system_identifier, previous.database_oid):
            return "totesys is another cluster or database than at the last batch"
        if self.timeline != previous.timeline:
            return "totesys was restored, or its standby promoted, since the last batch"
        if self.xmin < previous.xmin or self.xmax < previous.xmax:
            return "totesys is at an earlier point than at the last batch"
        if self.xmax - previous.xmin >= 2**31:
            return "totesys has run more than 2^31 transactions since the last batch"
        return None


@dataclass(frozen=True, slots=True)
class TableIdentity:
    """The identity and definition of a source table at a batch's snapshot.

    `columns` have their number, name, full type, and the default with which they were added; `children` are inheriting
    tables and partitions, each with a digest of its columns. `declared` are the columns that were ingested.
    """

    oid: int
    kind: str
    encoding: str
    row_security: bool
    columns: tuple[str, ...]
    children: tuple[str, ...]
    declared: tuple[str, ...]

    def difference(self, previous: Self) -> str | None:
        """Return why its rows may differ from those of `previous` although no transaction wrote them, else None."""
        if self.oid != previous.oid:
            return f"it is another table (oid {self.oid}) than at the last batch (oid {previous.oid})"
        for name, now, then in (
            ("kind", (self.kind,), (previous.kind,)),
            ("encoding", (self.encoding,), (previous.encoding,)),
            ("row security", (str(self.row_security),), (str(previous.row_security),)),
            ("columns", self.columns, previous.columns),
            ("children", self.children, previous.children),
            ("declared columns", self.declared, previous.declared),
        ):
            if now != then:
                added, removed = ([each for each in new if each not in old] for new, old in ((now, then), (then, now)))
                return f"its {name} changed since the last batch: now {_listed(added)}, before {_listed(removed)}"
        return None

    @classmethod
    def from_json(cls, record: dict[str, Any]) -> Self:
        """Return the identity from its JSON `record`."""
        lists = {name: tuple(record[name]) for name in ("columns", "children", "declared")}
        return cls(**record | lists)


def _listed(values: list[str]) -> str:
    return " | ".join(values) or "nothing"


@dataclass(frozen=True, slots=True)
class IngestedTable:
    """One table of an ingested batch: `rows` is the number of rows, `deletes` of the tombstones among them.

    `bytes` is the size of its `files`, which early versions did not list. `undeclared` are the columns that they store
    as text.
    """

    path: str
    rows: int
    deletes: int
    bytes: int
    lowest_last_updated: str | None
    highest_last_updated: str | None
    schema: str
    undeclared: tuple[str, ...] = ()
    files: tuple[DataFile, ...] = ()


@dataclass(frozen=True, slots=True)
class ProcessedTable:
    """One star table of a processed batch; `months` are a fact's partitions.

    `bytes` is the size of its `files`, which early versions did not list.
    """

    path: str
    rows: int
    bytes: int
    months: tuple[str, ...] = ()
    files: tuple[DataFile, ...] = ()

    def file_set(self, sequence: int) -> FileSet:
        """Return its file set as one of the batch `sequence`."""
        return FileSet(self.path, self.rows, self.bytes, sequence, sequence, months=self.months, files=self.files)


@dataclass(frozen=True, slots=True)
class QuarantinedRows:
    """The quarantined rows of one star table: their files, number, and the ingested batches that they come from."""

    path: str
    rows: int
    sequences: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class IngestedBatch:
    """A committed batch of the ingested zone.

    It is `full` when it could not be based on the transaction ids of the previous batch; `reload` is the reason, if
    there was one. `alive` is the number of rows of every table in the snapshot.

    `identities` are those of all tables; a batch without them was written by a version that did not check keys.
    `reloaded` has the reason for each table that was compared by content. `widest` is the maximum size in bytes, as
    text, of a row of each table up to this batch.
    """

    sequence: int
    batch_id: str
    full: bool
    snapshot: Snapshot
    tables: dict[str, IngestedTable]
    run_id: str
    code_version: str
    committed_at: str
    alive: dict[str, int]
    reload: str | None = None
    identities: dict[str, TableIdentity] = field(default_factory=dict)
    reloaded: dict[str, str] = field(default_factory=dict)
    widest: dict[str, int] = field(default_factory=dict)

    def reload_of(self, table: str) -> str | None:
        """Return why `table` was compared by content, None when its changes were found by transaction id."""
        return self.reload or self.reloaded.get(table)

    @property
    def is_full_refresh(self) -> bool:
        """Whether it replaces all batches before it: never, since every version is ingested once."""
        return False

    @property
    def file_sets(self) -> dict[str, tuple[FileSet, ...]]:
        """The files that it adds, by table."""
        return {
            name: (
                FileSet(
                    table.path,
                    table.rows,
                    table.bytes,
                    first=self.sequence,
                    last=self.sequence,
                    taken_at=self.snapshot.taken_at,
                    undeclared=table.undeclared,
                    keys_checked=bool(self.identities),
                    files=table.files,
                ),
            )
            for name, table in self.tables.items()
        }

    def to_json(self) -> dict[str, Any]:
        """Return the record as JSON types."""
        return asdict(self)

    @classmethod
    def from_json(cls, record: dict[str, Any]) -> Self:
        """Return the batch from its JSON `record`."""
        snapshot = record["snapshot"] | {"xip": tuple(record["snapshot"]["xip"])}
        tables = {
            name: IngestedTable(
                **table
                | {"undeclared": tuple(table.get("undeclared", ())), "files": data_files(table.get("files", ()))}
            )
            for name, table in record["tables"].items()
        }
        identities = {
            name: TableIdentity.from_json(identity) for name, identity in record.get("identities", {}).items()
        }
        return cls(**record | {"snapshot": Snapshot(**snapshot), "tables": tables, "identities": identities})


@dataclass(frozen=True, slots=True)
class ProcessedBatch:
    """A committed batch of the processed zone: it covers the ingested sequences `first_ingested` to `last_ingested`.

    `quarantined` is the number of rows of each table that this batch quarantined first, `broken` the same by rule;
    `held` are all rows of each table that were in quarantine when it was committed.

    A batch that starts with the first ingested one is a full refresh of the zone, and supersedes all earlier batches.
    It may consist of batches that `replayed` each of the earlier ones.
    """

    sequence: int
    batch_id: str
    first_ingested: int
    last_ingested: int
    snapshot_taken_at: str
    tables: dict[str, ProcessedTable]
    run_id: str
    code_version: str
    committed_at: str
    quarantined: dict[str, int] = field(default_factory=dict)
    broken: dict[str, dict[str, int]] = field(default_factory=dict)
    held: dict[str, QuarantinedRows] = field(default_factory=dict)
    replayed: tuple[Self, ...] = ()

    @property
    def parts(self) -> tuple[Self, ...]:
        """The batches that it consists of, in order: itself unless it replayed others."""
        return self.replayed or (self,)

    @property
    def is_full_refresh(self) -> bool:
        """Whether it replaces all batches before it."""
        return self.first_ingested == 1

    @property
    def rows(self) -> Counter[str]:
        """The number of rows of each table in its parts."""
        rows: Counter[str] = Counter()
        for part in self.parts:
            rows.update({name: table.rows for name, table in part.tables.items()})
        return rows

    @property
    def file_sets(self) -> dict[str, tuple[FileSet, ...]]:
        """The files that it adds, by table."""
        sets: dict[str, tuple[FileSet, ...]] = {}
        for part in self.parts:
            for name, table in part.tables.items():
                sets[name] = (*sets.get(name, ()), table.file_set(self.sequence))
        return sets

    @property
    def bytes(self) -> int:
        """The size in bytes of the files of its parts."""
        return sum(table.bytes for part in self.parts for table in part.tables.values())

    def to_json(self) -> dict[str, Any]:
        """Return the record as JSON types."""
        return asdict(self)

    @classmethod
    def from_json(cls, record: dict[str, Any]) -> Self:
        """Return the batch from its JSON `record`."""
        tables = {
            name: ProcessedTable(
                **table | {"months": tuple(table["months"]), "files": data_files(table.get("files", ()))}
            )
            for name, table in record["tables"].items()
        }
        held = {
            name: QuarantinedRows(**rows | {"sequences": tuple(rows["sequences"])})
            for name, rows in record["held"].items()
        }
        replayed = tuple(map(cls.from_json, record["replayed"]))
        return cls(**record | {"tables": tables, "held": held, "replayed": replayed})


def active_batches(batches: list[ProcessedBatch]) -> list[ProcessedBatch]:
    """Return those of `batches`, the oldest first, that no later full refresh supersedes."""
    refreshes = [number for number, batch in enumerate(batches) if batch.is_full_refresh]
    return batches[refreshes[-1] :] if refreshes else batches

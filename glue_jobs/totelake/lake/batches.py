"""What a commit record says: one batch of the ingested zone, or of the processed one."""

from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import Any, Self


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The moment of totesys that a batch shows: `xmin`, `xmax` and `xip` are 64-bit transaction ids.

    A restore or a promotion begins a new `timeline`, on which the ids of the old one are given out again.
    """

    system_identifier: int
    timeline: int
    database_oid: int
    xmin: int
    xmax: int
    xip: tuple[int, ...]
    taken_at: str

    def break_after(self, previous: Self) -> str | None:
        """Return why the rows changed since `previous` cannot be told from transaction ids, None when they can."""
        if (self.system_identifier, self.database_oid) != (previous.system_identifier, previous.database_oid):
            return "totesys is another cluster or database than at the last batch"
        if self.timeline != previous.timeline:
            return "totesys was restored, or its standby promoted, since the last batch"
        if self.xmin < previous.xmin or self.xmax < previous.xmax:
            return "totesys is at an earlier point than at the last batch"
        if self.xmax - previous.xmin >= 2**31:
            return "totesys went through more than 2^31 transactions since the last batch"
        return None


@dataclass(frozen=True, slots=True)
class TableIdentity:
    """What a source table was at a batch's snapshot, beyond its rows.

    `columns` have their number, name, full type, and the value that they were added with; `children` are the tables
    that inherit from it and its partitions, each with a digest of its columns. `declared` are the columns that were
    ingested.
    """

    oid: int
    kind: str
    encoding: str
    row_security: bool
    columns: tuple[str, ...]
    children: tuple[str, ...]
    declared: tuple[str, ...]

    def difference(self, previous: Self) -> str | None:
        """Return why its rows may be others than those of `previous` although no transaction wrote them, else None."""
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
        """Return the identity that `record` describes."""
        lists = {name: tuple(record[name]) for name in ("columns", "children", "declared")}
        return cls(**record | lists)


def _listed(values: list[str]) -> str:
    return " | ".join(values) or "nothing"


@dataclass(frozen=True, slots=True)
class IngestedTable:
    """One table's part in an ingested batch: `rows` counts all of them, `deletes` the tombstones among them.

    `bytes` are those of its files. `undeclared` are the columns that are in them as text.
    """

    path: str
    rows: int
    deletes: int
    bytes: int
    lowest_last_updated: str | None
    highest_last_updated: str | None
    schema: str
    undeclared: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ProcessedTable:
    """One star table's part in a processed batch; `months` are a fact's partitions."""

    path: str
    rows: int
    bytes: int
    months: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class QuarantinedRows:
    """The rows of one star table that are held back: `rows` of them, brought by the ingested batches `sequences`."""

    path: str
    rows: int
    sequences: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class IngestedBatch:
    """A committed batch of the ingested zone.

    It is `full` when it could not go on from the transaction ids of a batch before it; where there was one, `reload`
    says why not. `alive` counts the rows of every table that were in the snapshot.

    `identities` are those of all tables; a batch without them is from a version that did not check keys. `reloaded`
    says of single tables why they were compared by content. `widest` are the bytes that a row of each table has had at
    most, as text, up to this batch.
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
        """Return why `table` was compared by content, None where its transaction ids told what changed."""
        return self.reload or self.reloaded.get(table)

    def to_json(self) -> dict[str, Any]:
        """Return the record as JSON's types."""
        return asdict(self)

    @classmethod
    def from_json(cls, record: dict[str, Any]) -> Self:
        """Return the batch that `record` describes."""
        snapshot = record["snapshot"] | {"xip": tuple(record["snapshot"]["xip"])}
        tables = {
            name: IngestedTable(**table | {"undeclared": tuple(table.get("undeclared", ()))})
            for name, table in record["tables"].items()
        }
        identities = {
            name: TableIdentity.from_json(identity) for name, identity in record.get("identities", {}).items()
        }
        return cls(**record | {"snapshot": Snapshot(**snapshot), "tables": tables, "identities": identities})


@dataclass(frozen=True, slots=True)
class ProcessedBatch:
    """A committed batch of the processed zone: it covers the ingested sequences `first_ingested` to `last_ingested`.

    `quarantined` counts for each table the rows that were first held back by this batch, `broken` the same by rule;
    `held` says of each where all rows are that were held back when it was committed.

    A batch that begins with the first ingested one begins the zone anew, and no earlier one is in force any more. It
    may have `replayed` a batch for each one before it, and then is made up of those.
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
        """The batches that it is made up of, in order: itself where it has replayed none."""
        return self.replayed or (self,)

    @property
    def rows(self) -> Counter[str]:
        """The rows of each table in its parts."""
        rows: Counter[str] = Counter()
        for part in self.parts:
            rows.update({name: table.rows for name, table in part.tables.items()})
        return rows

    @property
    def bytes(self) -> int:
        """The bytes of the files of its parts."""
        return sum(table.bytes for part in self.parts for table in part.tables.values())

    def to_json(self) -> dict[str, Any]:
        """Return the record as JSON's types."""
        return asdict(self)

    @classmethod
    def from_json(cls, record: dict[str, Any]) -> Self:
        """Return the batch that `record` describes."""
        tables = {
            name: ProcessedTable(**table | {"months": tuple(table["months"])})
            for name, table in record["tables"].items()
        }
        held = {
            name: QuarantinedRows(**rows | {"sequences": tuple(rows["sequences"])})
            for name, rows in record["held"].items()
        }
        replayed = tuple(map(cls.from_json, record["replayed"]))
        return cls(**record | {"tables": tables, "held": held, "replayed": replayed})


def active_batches(batches: list[ProcessedBatch]) -> list[ProcessedBatch]:
    """Return those of `batches`, the oldest first, from the last one on that begins the zone anew."""
    beginnings = [number for number, batch in enumerate(batches) if batch.first_ingested == 1]
    return batches[beginnings[-1] :] if beginnings else batches

"""What a commit record says: one batch of the ingested zone, or of the processed one."""

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

    def continues(self, previous: Self) -> bool:
        """Return whether the rows changed since `previous` can be told from the transaction ids alone."""
        return (
            self._place == previous._place
            and self.xmin >= previous.xmin
            and self.xmax >= previous.xmax
            and self.xmax - previous.xmin < 2**31
        )

    @property
    def _place(self) -> tuple[int, int, int]:
        return self.system_identifier, self.timeline, self.database_oid


@dataclass(frozen=True, slots=True)
class IngestedTable:
    """One table's part in an ingested batch; `bytes` are those of its files."""

    path: str
    rows: int
    deletes: int
    bytes: int
    lowest_last_updated: str | None
    highest_last_updated: str | None
    schema: str


@dataclass(frozen=True, slots=True)
class ProcessedTable:
    """One star table's part in a processed batch; `months` are a fact's partitions."""

    path: str
    rows: int
    bytes: int
    months: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class IngestedBatch:
    """A committed batch of the ingested zone."""

    sequence: int
    batch_id: str
    full: bool
    snapshot: Snapshot
    tables: dict[str, IngestedTable]
    run_id: str
    code_version: str
    committed_at: str

    def to_json(self) -> dict[str, Any]:
        """Return the record as JSON's types."""
        return asdict(self)

    @classmethod
    def from_json(cls, record: dict[str, Any]) -> Self:
        """Return the batch that `record` describes."""
        snapshot = record["snapshot"] | {"xip": tuple(record["snapshot"]["xip"])}
        tables = {name: IngestedTable(**table) for name, table in record["tables"].items()}
        return cls(**record | {"snapshot": Snapshot(**snapshot), "tables": tables})


@dataclass(frozen=True, slots=True)
class ProcessedBatch:
    """A committed batch of the processed zone: it covers the ingested sequences `first_ingested` to `last_ingested`.

    `quarantined` counts, for each fact, the rows that broke its rules and are not among its rows.
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
        return cls(**record | {"tables": tables})

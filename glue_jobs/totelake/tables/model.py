"""The model of a table declaration: types, columns, source tables and star tables."""

from dataclasses import dataclass
from functools import cached_property


@dataclass(frozen=True, slots=True)
class Type:
    """A column type, with its name in each system.

    `source` is the result of Postgres' `format_type(type, NULL)` for a totesys column. `staging` is the type of the
    Postgres staging table, before the merge casts it to `postgres`. `copied` is the type of the Redshift staging table,
    which COPY fills from Parquet, if that is not `redshift` itself.

    `extracted` is the SQL expression that reads a value `{0}` from totesys, so that no driver chooses the type.
    `unfit` is the SQL condition, if any, of a value that the lake cannot store exactly; `limits` describes the others.
    """

    spark: str
    hive: str
    postgres: str
    staging: str
    source: str = ""
    redshift: str = ""
    copied: str = ""
    extracted: str = "{0}"
    unfit: str = ""
    limits: str = ""

    @property
    def presto(self) -> str:
        """The name of the type in an Athena view."""
        return {"int": "integer", "string": "varchar", "timestamp": "timestamp(3)"}.get(self.hive, self.hive)


INTEGER = Type("int", "int", "integer", "integer", "integer", redshift="INTEGER")
BIGINT = Type("bigint", "bigint", "bigint", "bigint", "bigint", redshift="BIGINT")
BOOLEAN = Type("boolean", "boolean", "boolean", "boolean", "boolean", redshift="BOOLEAN")
# Redshift's VARCHAR without a length has 256 bytes, and a longer value would fail its batch: the maximum length.
VARCHAR = Type(
    "string", "string", "varchar", "text", "character varying", redshift="VARCHAR(65535)", extracted="{0}::text"
)
DATE = Type("date", "date", "date", "date", "date", redshift="DATE")
# As text: java.sql.Timestamp has no date between 4 and 15 October 1582, and reads a year BC as one AD.
TIMESTAMP = Type(
    "timestamp_ntz",
    "timestamp",
    "timestamp(3)",
    "timestamp",
    "timestamp without time zone",
    redshift="TIMESTAMP",
    extracted="{0}::text",
    unfit="{0} < '0001-01-01' OR {0} >= '10000-01-01'",
    limits="a time from the year 1 to the year 9999",
)
# Athena and Parquet readers support times of day differently: in the lake it is text, `HH:mm:ss.SSS`.
TIME = Type("string", "string", "time(3)", "text", redshift="TIME", copied="VARCHAR(12)")
# Postgres' numeric, whatever precision the column has: 20 digits before and 18 after the point, not counting trailing
# zeros. `min_scale` of NaN and infinity is NULL.
NUMERIC = Type(
    "decimal(38,18)",
    "decimal(38,18)",
    "numeric",
    "numeric",
    "numeric",
    redshift="DECIMAL(38,18)",
    extracted="{0}::numeric(38,18)",
    unfit="{0} IS NOT NULL AND (coalesce(min_scale({0}), 19) > 18 OR abs({0}) >= 1e20)",
    limits="a finite number of at most 20 digits before and 18 after the point",
)


def decimal(precision: int, scale: int) -> Type:
    """Return the decimal type of `precision` digits, `scale` of them after the point."""
    bounded = f"decimal({precision},{scale})"
    return Type(bounded, bounded, f"numeric({precision},{scale})", "numeric", redshift=f"DECIMAL({precision},{scale})")


@dataclass(frozen=True, slots=True)
class Column:
    """A column, and the rules of its values.

    `references` is the table whose key it references, `accepted` the permitted values, `between` the inclusive range.

    `origin` of a star column is the column of its table's source, or the `table.column` of a table that the source
    references; by default the source column of the same name. `computed` describes how the value is derived from it,
    if it is not copied.
    """

    name: str
    type: Type
    description: str
    nullable: bool = False
    references: str | None = None
    accepted: tuple[str, ...] = ()
    between: tuple[int, int] | None = None
    origin: str = ""
    computed: str = ""


@dataclass(frozen=True)
class SourceTable:
    """The declaration of a totesys table.

    `deletable_share` is the fraction of its rows that may be deleted between two batches.
    """

    name: str
    grain: str
    key: tuple[str, ...]
    columns: tuple[Column, ...]
    deletable_share: float = 0.1

    @cached_property
    def column_names(self) -> tuple[str, ...]:
        """The names of the columns, in declaration order."""
        return tuple(column.name for column in self.columns)

    @property
    def stored_columns(self) -> tuple[Column, ...]:
        """The columns of the table in the lake."""
        return (*self.columns, *RAW_LINEAGE)

    @property
    def partition_columns(self) -> tuple[Column, ...]:
        """The partition columns in the lake."""
        return (BATCH_ID,)


@dataclass(frozen=True)
class StarTable:
    """The declaration of a table of the star schemas.

    Each row comes from a row of the source table `source`; if that is empty, the rows do not come from totesys.

    `key` is the primary key in the warehouse. `natural_key` is the key of the record in totesys; if the two differ, the
    warehouse assigns a surrogate key and keeps every version of a record: the table is a fact.

    In Redshift `distributed_by` is the distribution key; with None the table has DISTSTYLE ALL, for small tables that
    others reference. `sorted_by` is the sort key, by default the natural key.
    """

    name: str
    grain: str
    key: tuple[str, ...]
    columns: tuple[Column, ...]
    source: str = ""
    natural_key: tuple[str, ...] = ()
    distributed_by: str | None = None
    sorted_by: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Default the natural key to the key, and the sort key to the natural key."""
        if not self.natural_key:
            object.__setattr__(self, "natural_key", self.key)
        if not self.sorted_by:
            object.__setattr__(self, "sorted_by", self.natural_key)

    @property
    def is_fact(self) -> bool:
        """Whether the table keeps every version of a record."""
        return self.natural_key != self.key

    @property
    def identity(self) -> tuple[str, ...]:
        """The columns that identify a version: a batch has at most one version of a record."""
        return (*self.natural_key, INGESTED_SEQUENCE.name)

    @property
    def surrogate(self) -> str | None:
        """The surrogate key column, None for a dimension."""
        return self.key[0] if self.is_fact else None

    @property
    def lineage(self) -> tuple[Column, ...]:
        """The lineage columns: last in the table, with names that begin with `_`."""
        version = (SOURCE_VERSION,) if self.is_fact else ()
        return (*version, INGESTED_SEQUENCE, DELETED_AT)

    @property
    def stored_columns(self) -> tuple[Column, ...]:
        """The columns of the table in the lake and in the warehouse, without the surrogate key."""
        return (*self.columns, *self.lineage)

    @property
    def warehouse_columns(self) -> tuple[Column, ...]:
        """The columns of the table in the warehouse, the surrogate key first."""
        description = "Surrogate key, assigned by the warehouse; its order has no meaning."
        surrogate = (Column(self.surrogate, INTEGER, description),) if self.surrogate else ()
        return (*surrogate, *self.stored_columns)

    @property
    def partition_columns(self) -> tuple[Column, ...]:
        """The partition columns in the lake, outermost first."""
        return (BATCH_ID, MONTH) if self.is_fact else (BATCH_ID,)


OPERATION = Column(
    "_op",
    VARCHAR,
    "U: the row at the batch's snapshot. D: a tombstone, the last version of a row that was deleted by then.",
)
SOURCE_VERSION = Column(
    "_source_version",
    BIGINT,
    "Transaction that wrote this version of the row in totesys: its xmin, extended to 64 bits.",
)
INGESTED_SEQUENCE = Column(
    "_ingested_sequence",
    INTEGER,
    "Number of the ingested batch with this version; it orders the versions of a record.",
)
DELETED_AT = Column(
    "_deleted_at",
    TIMESTAMP,
    "Time, in UTC, of the first snapshot in which the record no longer existed in totesys.",
    nullable=True,
)
BATCH_ID = Column("batch_id", VARCHAR, "Id of the attempt that wrote the files: snapshot time and run.")
SEVERAL_MONTHS = "several"
MONTH = Column(
    "month",
    VARCHAR,
    f"Month of the created date, yyyy-MM, or `{SEVERAL_MONTHS}` in files of few rows or of several batches: select rows"
    " by their created date.",
)

RAW_LINEAGE = (OPERATION, SOURCE_VERSION)

TAKEN_AT = Column("_taken_at", TIMESTAMP, "Time, in UTC, of the snapshot of the batch with this version.")
WRITTEN_BY = Column("_batch_id", VARCHAR, "Id of the batch with this version.")
COMPACTED_LINEAGE = (INGESTED_SEQUENCE, TAKEN_AT, WRITTEN_BY)
"""The columns that compacted files of an ingested table have in addition: they tell from which batch each row is."""

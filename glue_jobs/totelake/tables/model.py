"""The words in which a table is declared."""

from dataclasses import dataclass
from functools import cached_property


@dataclass(frozen=True, slots=True)
class Type:
    """One column type, as each system that holds the column spells it.

    `source` is what Postgres' `format_type(type, NULL)` says of a column of totesys. `staging` is the type in which
    Arrow reaches the warehouse, before the merge casts it to `postgres`. `copied` is the one in which Redshift's COPY
    takes it out of Parquet, where that is not `redshift` itself.

    `extracted` is the SQL expression as which totesys returns a value `{0}`, so that no driver chooses the type.
    `unfit` is the condition, where there is one, of a value that the lake cannot store exactly, and `limits` says which
    it can.
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
        """What a view of Athena's calls it, where a table of Hive's says `hive`."""
        return {"int": "integer", "string": "varchar", "timestamp": "timestamp(3)"}.get(self.hive, self.hive)


INTEGER = Type("int", "int", "integer", "integer", "integer", redshift="INTEGER")
BIGINT = Type("bigint", "bigint", "bigint", "bigint", "bigint", redshift="BIGINT")
BOOLEAN = Type("boolean", "boolean", "boolean", "boolean", "boolean", redshift="BOOLEAN")
# Redshift's VARCHAR alone is one of 256 bytes, and a longer value would fail its batch: as long as it can be.
VARCHAR = Type(
    "string", "string", "varchar", "text", "character varying", redshift="VARCHAR(65535)", extracted="{0}::text"
)
DATE = Type("date", "date", "date", "date", "date", redshift="DATE")
# As text: java.sql.Timestamp has no date between 4 and 15 October 1582, and takes a year before Christ for one after.
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
# Neither Athena nor Parquet readers agree on a time of day: in the lake it is text, `HH:mm:ss.SSS`.
TIME = Type("string", "string", "time(3)", "text", redshift="TIME", copied="VARCHAR(12)")
# Postgres' numeric, whatever bounds the column has: 20 digits before and 18 after the point. Zeros at the end are no
# digits; `min_scale` of NaN and infinity is NULL.
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
    """Return the exact decimal type of `precision` digits, `scale` of them after the point."""
    bounded = f"decimal({precision},{scale})"
    return Type(bounded, bounded, f"numeric({precision},{scale})", "numeric", redshift=f"DECIMAL({precision},{scale})")


@dataclass(frozen=True, slots=True)
class Column:
    """One column, and the rules that its values keep.

    `references` names the table whose key it holds, `accepted` are all the values that it may have, and `between` the
    least and the greatest.

    A column of a star shows the column `origin` of its table's source, or `table.column` of a table that the source
    refers to; the one of its own name where nothing is said. `computed` says what of it, where that is not its value.
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
    """A table of totesys, as it is expected to be found.

    When more than `deletable_share` of its rows are gone since the last batch, that is taken for an accident.
    """

    name: str
    grain: str
    key: tuple[str, ...]
    columns: tuple[Column, ...]
    deletable_share: float = 0.1

    @cached_property
    def column_names(self) -> tuple[str, ...]:
        """The names of the columns, in the order of the declaration."""
        return tuple(column.name for column in self.columns)

    @property
    def stored_columns(self) -> tuple[Column, ...]:
        """The columns of the table in the lake."""
        return (*self.columns, *RAW_LINEAGE)

    @property
    def partition_columns(self) -> tuple[Column, ...]:
        """The columns that are folders in the lake."""
        return (BATCH_ID,)


@dataclass(frozen=True)
class StarTable:
    """A table of the warehouse's star schemas.

    A row of it is a row of the source table `source`; where that is empty, nothing in totesys makes its rows.

    `key` is the primary key in the warehouse. `natural_key` is the key of the record in totesys; where the two differ
    the warehouse numbers the rows itself (`surrogate`) and keeps every version of a record: the table is a fact.

    Redshift spreads the rows over its nodes by the column `distributed_by`, and keeps all of them on every node where
    that is None: for a table that is small and that others refer to. It keeps them in the order of `sorted_by`, the
    natural key where nothing else is said.
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
        """Take the key for the natural key where no other is given, and that for the order of the rows."""
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
        """The columns that tell a version from every other: a batch brings one version of a record at most."""
        return (*self.natural_key, INGESTED_SEQUENCE.name)

    @property
    def surrogate(self) -> str | None:
        """The column that the warehouse numbers itself, if there is one."""
        return self.key[0] if self.is_fact else None

    @property
    def lineage(self) -> tuple[Column, ...]:
        """The columns that say where a row came from: last in the table, their names begin with `_`."""
        version = (SOURCE_VERSION,) if self.is_fact else ()
        return (*version, INGESTED_SEQUENCE, DELETED_AT)

    @property
    def stored_columns(self) -> tuple[Column, ...]:
        """The columns of the table in the lake and in the warehouse, without the surrogate key."""
        return (*self.columns, *self.lineage)

    @property
    def warehouse_columns(self) -> tuple[Column, ...]:
        """The columns of the table in the warehouse, the surrogate key first."""
        numbered = "Number that the warehouse gives the row; it says nothing of its age."
        surrogate = (Column(self.surrogate, INTEGER, numbered),) if self.surrogate else ()
        return (*surrogate, *self.stored_columns)

    @property
    def partition_columns(self) -> tuple[Column, ...]:
        """The columns that are folders in the lake, outermost first."""
        return (BATCH_ID, MONTH) if self.is_fact else (BATCH_ID,)


OPERATION = Column(
    "_op",
    VARCHAR,
    "U: the row as it was at the batch's snapshot. D: it was gone by then, and this is its last version.",
)
SOURCE_VERSION = Column(
    "_source_version",
    BIGINT,
    "Transaction that wrote this version of the row in totesys: its xmin, widened to 64 bits.",
)
INGESTED_SEQUENCE = Column(
    "_ingested_sequence",
    INTEGER,
    "Number of the ingested batch that brought this version; versions of one record are in this order.",
)
DELETED_AT = Column(
    "_deleted_at",
    TIMESTAMP,
    "Time, in UTC, of the snapshot in which the record was first seen to be gone from totesys.",
    nullable=True,
)
BATCH_ID = Column("batch_id", VARCHAR, "Attempt that wrote the files: snapshot time and run.")
MONTH = Column("month", VARCHAR, "Month of the created date, yyyy-MM.")

RAW_LINEAGE = (OPERATION, SOURCE_VERSION)

"""The rows of one source table, as Spark frames that are read at the batch's snapshot."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F  # noqa: N812 - Spark's own convention

from totelake.ingest.source import EVERYTHING, SourceReader
from totelake.ingest.source_checks import FoundTable
from totelake.lake.frames import conform
from totelake.runtime.connections import Login
from totelake.runtime.glue import JobRun
from totelake.tables import RAW_LINEAGE

FETCH_ROWS = 20_000
LAKE_ROWS = 4_096
FETCH_BYTES = 32 * 2**20
PARTITION_BYTES = 64 * 2**20


@dataclass(frozen=True)
class Extract:
    """How Spark reads totesys: one connection for each block range, all of them at the snapshot of `source`.

    `widest` are the bytes that a row of each table has at most, in totesys now or in the lake.
    """

    run: JobRun
    login: Login
    source: SourceReader
    widest: Mapping[str, int]

    @cached_property
    def spark(self) -> SparkSession:
        """The session of the run, started by the first table that is read.

        It reads as few rows of the lake at once as the widest of them allows.
        """
        session, rows = self.run.spark, fetch_rows(max(self.widest.values(), default=0))
        session.conf.set("spark.sql.parquet.columnarReaderBatchSize", min(rows, LAKE_ROWS))
        return session

    def changes(self, table: FoundTable, since: int) -> DataFrame:
        """Return the rows of `table` that the transaction `since` or a later one wrote.

        Columns: the declared ones, `_op`, `_source_version`, then the undeclared ones as text.
        """
        read = self._read(table, self.source.changed_rows(table), since, self.widest.get(table.name, 0))
        kinds = dict(read.dtypes)
        as_text = [column for column in table.declared.columns if kinds[column.name] != column.type.spark]
        typed = read.withColumns({column.name: F.col(column.name).cast(column.type.spark) for column in as_text})
        marked = typed.withColumn("_op", F.lit("U"))
        return conform(marked, table.name, (*table.declared.columns, *RAW_LINEAGE), keep=table.extra)

    def keys(self, table: FoundTable) -> DataFrame:
        """Return the primary keys of all rows of `table`."""
        key = [column for column in table.declared.columns if column.name in table.declared.key]
        return conform(self._read(table, self.source.keys(table), EVERYTHING, 0), table.name, key)

    def _read(self, table: FoundTable, statement: str, since: int, widest: int) -> DataFrame:
        return self.spark.read.jdbc(
            self.login.jdbc_url,
            f"({statement}) AS rows",
            predicates=block_ranges(table.bytes, table.block_size),
            properties={
                "driver": "org.postgresql.Driver",
                "user": self.login.user,
                "password": self.login.password,
                "options": self.source.session_options(since),
                "sessionInitStatement": self.source.session_statement,
                "fetchsize": str(fetch_rows(widest)),
            },
        )


def fetch_rows(widest: int) -> int:
    """Return how many rows a connection fetches at once, of which the widest has so many bytes."""
    return max(1, min(FETCH_ROWS, FETCH_BYTES // max(1, widest)))


def block_ranges(size: int, block_size: int) -> list[str]:
    """Return the conditions that split a table of `size` bytes into even runs of blocks, the last one open.

    Blocks need no index and know no skew; rows that lie behind the measured end belong to the last range.
    """
    parts = max(1, -(-size // PARTITION_BYTES))
    blocks = size // block_size
    bounds = [blocks * part // parts for part in range(parts)]
    lower = [f"_ctid >= '({block},0)'::tid" for block in bounds]
    upper = [f" AND _ctid < '({block},0)'::tid" for block in bounds[1:]] + [""]
    return [low + high for low, high in zip(lower, upper, strict=True)]

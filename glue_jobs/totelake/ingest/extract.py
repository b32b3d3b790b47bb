"""The rows of a source table as Spark DataFrames, read at the batch's snapshot."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F  # noqa: N812 - Spark's own convention

from totelake.ingest.source import ALL_TRANSACTIONS, SourceReader
from totelake.ingest.source_checks import ResolvedTable
from totelake.lake.frames import conform
from totelake.lake.scan import are_few
from totelake.runtime.connections import Login
from totelake.runtime.glue import JobRun
from totelake.tables import RAW_LINEAGE

FETCH_ROWS = 20_000
LAKE_ROWS = 4_096
FETCH_BYTES = 32 * 2**20
PARTITION_BYTES = 64 * 2**20


@dataclass(frozen=True)
class Extract:
    """Reads totesys with Spark: one connection per block range, all of them at the snapshot of `source`.

    `max_row_bytes` is the maximum size in bytes of a row of each table, in totesys or in the lake.
    """

    run: JobRun
    login: Login
    source: SourceReader
    max_row_bytes: Mapping[str, int]

    @cached_property
    def spark(self) -> SparkSession:
        """The session of the run, started on first use.

        Its batch size for reading the lake is limited by the widest row.
        """
        session, rows = self.run.spark, fetch_rows(max(self.max_row_bytes.values(), default=0))
        session.conf.set("spark.sql.parquet.columnarReaderBatchSize", min(rows, LAKE_ROWS))
        return session

    def are_few(self, table: ResolvedTable, rows: int) -> bool:
        """Return whether so many rows of `table` are so few and small that the driver writes them."""
        return are_few({table.name: rows}, self.max_row_bytes)

    def changes(self, table: ResolvedTable, since: int) -> DataFrame:
        """Return the rows of `table` written by transaction `since` or a later one.

        Columns: the declared ones, `_op`, `_source_version`, then the undeclared ones as text.
        """
        widest = self.max_row_bytes.get(table.name, 0)
        ranges = ["true"] if self.source.is_located(table) else block_ranges(table.bytes, table.block_size)
        read = self._read(self.source.changed_rows(table), since, ranges, widest)
        kinds = dict(read.dtypes)
        as_text = [column for column in table.declared.columns if kinds[column.name] != column.type.spark]
        typed = read.withColumns({column.name: F.col(column.name).cast(column.type.spark) for column in as_text})
        marked = typed.withColumn("_op", F.lit("U"))
        return conform(marked, table.name, (*table.declared.columns, *RAW_LINEAGE), keep=table.undeclared)

    def keys(self, table: ResolvedTable) -> DataFrame:
        """Return the primary keys of all rows of `table`."""
        key = [column for column in table.declared.columns if column.name in table.declared.key]
        ranges = block_ranges(table.bytes, table.block_size)
        return conform(self._read(self.source.keys(table), ALL_TRANSACTIONS, ranges, 0), table.name, key)

    def _read(self, statement: str, since: int, conditions: list[str], max_row_bytes: int) -> DataFrame:
        """Return the rows of `statement`, by one connection for each of `conditions`."""
        return self.spark.read.jdbc(
            self.login.jdbc_url,
            f"({statement}) AS rows",
            predicates=conditions,
            properties={
                "driver": "org.postgresql.Driver",
                "user": self.login.user,
                "password": self.login.password,
                "options": self.source.session_options(since),
                "sessionInitStatement": self.source.session_statement,
                "fetchsize": str(fetch_rows(max_row_bytes)),
            },
        )


def fetch_rows(max_row_bytes: int) -> int:
    """Return the JDBC fetch size for rows of at most `max_row_bytes`."""
    return max(1, min(FETCH_ROWS, FETCH_BYTES // max(1, max_row_bytes)))


def block_ranges(size: int, block_size: int) -> list[str]:
    """Return the conditions that split a table of `size` bytes into equal block ranges, the last one open-ended.

    Block ranges need no index and have no skew; the last one includes rows added after the size was read.
    """
    parts = max(1, -(-size // PARTITION_BYTES))
    blocks = size // block_size
    bounds = [blocks * part // parts for part in range(parts)]
    lower = [f"_ctid >= '({block},0)'::tid" for block in bounds]
    upper = [f" AND _ctid < '({block},0)'::tid" for block in bounds[1:]] + [""]
    return [low + high for low, high in zip(lower, upper, strict=True)]

"""The rows of one source table, as Spark frames that are read at the batch's snapshot."""

from dataclasses import dataclass

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F  # noqa: N812 - Spark's own convention

from totelake.connections import Login
from totelake.frames import conform
from totelake.glue import JobRun
from totelake.source import FoundTable, SourceReader
from totelake.tables import RAW_LINEAGE

FETCH_ROWS = 20_000
PARTITION_BYTES = 64 * 2**20


@dataclass(frozen=True, slots=True)
class Extract:
    """How Spark reads totesys: one connection for each block range, all of them at the snapshot of `source`.

    Rows count as changed when the transaction `changed_since` or a later one wrote them.
    """

    run: JobRun
    login: Login
    source: SourceReader
    changed_since: int

    @property
    def spark(self) -> SparkSession:
        """The session of the run, started by the first table that is read."""
        return self.run.spark

    def changes(self, table: FoundTable) -> DataFrame:
        """Return the changed rows of `table`: the declared columns, `_op`, `_source_version`, then the undeclared."""
        marked = self._read(table, self.source.changed_rows(table)).withColumn("_op", F.lit("U"))
        return conform(marked, table.declared.name, (*table.declared.columns, *RAW_LINEAGE), keep=table.extra)

    def keys(self, table: FoundTable) -> DataFrame:
        """Return the primary keys of all rows of `table`."""
        key = [column for column in table.declared.columns if column.name in table.declared.key]
        return conform(self._read(table, self.source.keys(table)), table.declared.name, key)

    def _read(self, table: FoundTable, statement: str) -> DataFrame:
        return self.spark.read.jdbc(
            self.login.jdbc_url,
            f"({statement}) AS rows",
            predicates=block_ranges(table.bytes, table.block_size),
            properties={
                "driver": "org.postgresql.Driver",
                "user": self.login.user,
                "password": self.login.password,
                "options": self.source.session_options(self.changed_since),
                "sessionInitStatement": self.source.session_statement,
                "fetchsize": str(FETCH_ROWS),
                "preferTimestampNTZ": "true",
            },
        )


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

"""The interface of a warehouse that a load uses, for each kind of warehouse."""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Protocol

from totelake.lake.batches import ProcessedBatch
from totelake.lake.commit_log import CommitLog
from totelake.lake.file_sets import FileSet
from totelake.tables import StarTable

if TYPE_CHECKING:
    from totelake.runtime.glue import JobRun  # it imports Spark, which not every importer needs

type FilesByTable = dict[StarTable, list[FileSet]]
"""The files of batches by star table, dimensions before the facts that reference them."""


class OpenWarehouse(Protocol):
    """A warehouse opened for a load, with all its tables in their declared shape."""

    def last_loaded(self) -> int:
        """Return the sequence of the last batch in the ledger, 0 if nothing was loaded."""

    def pending(self, commit_log: CommitLog[ProcessedBatch]) -> list[ProcessedBatch]:
        """Return the batches of `commit_log` that the ledger lacks, in order; raise `LedgerError` if they disagree."""

    def load(self, batches: list[ProcessedBatch], files: FilesByTable, *, full_refresh: bool) -> dict[str, int]:
        """Load `batches` from `files` in one transaction; return the number of rows inserted or changed by table.

        With `full_refresh` they replace all rows. Raises `StagingError`, and changes nothing, when the staged rows do
        not match the batches.
        """

    def after_load(self, table: StarTable, rows: int) -> None:
        """Do the maintenance due after `rows` of `table` were committed, such as updating its statistics."""

    def ensure_schema(self) -> None:
        """Create what a load creates at its end, for a run with nothing to load."""


class Warehouse(Protocol):
    """A warehouse, as specified by a job's arguments."""

    @property
    def place(self) -> str:
        """Its address and role, for messages."""

    def define(self, run: "JobRun", passwords: Mapping[str, str]) -> None:
        """Create what the warehouse lacks, as its owner, and the roles of `passwords` with their passwords and rights.

        Lost tables are created empty. Raises `WarehouseSchemaError` when a table has other columns than declared, and
        `AlreadyRunningError` when a load is running.
        """

    def opened(self, run: "JobRun", bucket: str) -> AbstractContextManager[OpenWarehouse]:
        """Open the warehouse for a load of `run` from the processed `bucket`; its owner creates missing tables.

        Raises `AlreadyRunningError` when another load is running, `WarehouseSchemaError` when a table has other columns
        than declared, or lost all its rows; lost rows are restored by a run with the argument `rebuild`.
        """

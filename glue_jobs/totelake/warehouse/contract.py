"""What a load asks of a warehouse, whichever kind it is."""

from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Protocol

from totelake.lake.batches import ProcessedBatch, ProcessedTable
from totelake.lake.commit_log import CommitLog
from totelake.tables import StarTable

if TYPE_CHECKING:
    from totelake.runtime.glue import JobRun  # it brings Spark, and not all who ask for a name need that

type FilesByTable = dict[StarTable, list[ProcessedTable]]
"""What batches have of each star table, the dimensions before the facts that refer to them."""


class OpenWarehouse(Protocol):
    """A warehouse that one run is loading; it has all its tables, each with the columns that it declares."""

    def pending(self, log: CommitLog[ProcessedBatch]) -> list[ProcessedBatch]:
        """Return the batches of `log` that the ledger lacks, in order; raise `LedgerError` when the two disagree."""

    def load(self, batches: list[ProcessedBatch], parts: FilesByTable, *, full_refresh: bool) -> dict[str, int]:
        """Load `batches`, whose rows are `parts`, in one transaction; return the rows inserted or changed by table.

        With `full_refresh` they replace everything that is there. Raises `StagingError` when what arrived is not what
        the batches hold, and then nothing is changed.
        """

    def after_load(self, table: StarTable, rows: int) -> None:
        """Do what is due after `rows` of `table` were committed, such as to renew its statistics."""

    def ensure_schema(self) -> None:
        """Make what a load leaves to its end, for a run that finds nothing to load."""


class Warehouse(Protocol):
    """A warehouse as a job's arguments name it."""

    @property
    def place(self) -> str:
        """Where it is and by which role it is reached, as errors tell it."""

    def opened(self, run: "JobRun", bucket: str) -> AbstractContextManager[OpenWarehouse]:
        """Open the warehouse for a load of `run` from the processed `bucket`, and make the tables that it lacks.

        Raises `AlreadyRunningError` when another load keeps this one out, `WarehouseSchemaError` when a table has other
        columns than it declares, or lost all its rows; what is lost, a run with the argument `rebuild` restores.
        """

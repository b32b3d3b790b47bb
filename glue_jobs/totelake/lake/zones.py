"""The two zones of the lake, each a bucket with its own log and its own catalog database."""

from dataclasses import dataclass

DISCOVERED_DATABASE = "totesys_discovered"


@dataclass(frozen=True, slots=True)
class Zone:
    """A zone of the lake: its catalog database has this name in every environment, its bucket has not."""

    name: str
    database: str
    description: str


INGESTED = Zone("ingested", "totesys_ingested", "Rows of totesys as they were read, every version once.")
PROCESSED = Zone("processed", "totesys_processed", "The star schemas, as they go to the warehouse.")

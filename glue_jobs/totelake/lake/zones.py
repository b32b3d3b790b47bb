"""The two zones of the lake, each a bucket with its own commit log and its own catalog database."""

from dataclasses import dataclass

DISCOVERED_DATABASE = "totesys_discovered"


@dataclass(frozen=True, slots=True)
class Zone:
    """A zone of the lake. Its catalog database has the same name in every environment, its bucket does not."""

    name: str
    database: str
    description: str


INGESTED = Zone("ingested", "totesys_ingested", "Raw rows of totesys, every version once.")
PROCESSED = Zone("processed", "totesys_processed", "The star schemas, as loaded into the warehouse.")

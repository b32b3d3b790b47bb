"""The ingest stage: the changes in totesys since the last batch, read at one snapshot, into the ingested bucket."""

from totelake.ingest.stage import run

__all__ = ["run"]

"""The ingest stage: what changed in totesys since the last batch, at one snapshot, into the ingested bucket."""

from totelake.ingest.stage import run

__all__ = ["run"]

"""The drift check: what the crawler discovered in the ingested bucket against the declared source tables."""

from totelake.drift.stage import run

__all__ = ["run"]

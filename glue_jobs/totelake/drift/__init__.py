"""The drift check: compares the tables that the crawler discovered in the ingested bucket with the declared ones."""

from totelake.drift.stage import run

__all__ = ["run"]

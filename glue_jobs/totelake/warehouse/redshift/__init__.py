"""The warehouse in Redshift, spoken to through its Data API only: its definition, and how batches get in."""

from totelake.warehouse.redshift.definition import ddl

__all__ = ["ddl"]

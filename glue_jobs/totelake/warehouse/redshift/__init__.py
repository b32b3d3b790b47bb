"""The warehouse in Redshift, accessed through the Data API only: its definition, and the load."""

from totelake.warehouse.redshift.definition import ddl

__all__ = ["ddl"]

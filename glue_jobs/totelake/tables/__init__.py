"""The declarations of every source table and every star table."""

from totelake.tables.model import BATCH_ID, RAW_LINEAGE, Column, SourceTable, StarTable, Type
from totelake.tables.sources import SOURCE_TABLES
from totelake.tables.stars import STAR_TABLES

__all__ = ["BATCH_ID", "RAW_LINEAGE", "SOURCE_TABLES", "STAR_TABLES", "Column", "SourceTable", "StarTable", "Type"]

"""Every source table and every star table, each declared once."""

from totelake.tables.model import BATCH_ID, RAW_LINEAGE, Column, SourceTable, StarTable, Type
from totelake.tables.sources import SOURCE_TABLES
from totelake.tables.stars import STAR_TABLES

__all__ = ["BATCH_ID", "RAW_LINEAGE", "SOURCE_TABLES", "STAR_TABLES", "Column", "SourceTable", "StarTable", "Type"]

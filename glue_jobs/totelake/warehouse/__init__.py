"""The warehouse in Postgres: its definition, and how batches get in."""

from totelake.warehouse.definition import current_view, ddl
from totelake.warehouse.shape import apply

__all__ = ["apply", "current_view", "ddl"]

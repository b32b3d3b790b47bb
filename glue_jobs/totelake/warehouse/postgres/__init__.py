"""The warehouse in Postgres: its definition, and the load."""

from totelake.warehouse.postgres.definition import ddl
from totelake.warehouse.postgres.shape import apply

__all__ = ["apply", "ddl"]

"""The warehouse in Postgres: its definition, its roles, and the load."""

from totelake.warehouse.postgres.definition import ddl
from totelake.warehouse.postgres.roles import creation, grant
from totelake.warehouse.postgres.shape import apply

__all__ = ["apply", "creation", "ddl", "grant"]

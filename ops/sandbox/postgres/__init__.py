"""The Postgres server of a local environment: its programs, operating system account, data folder and process."""

from ops.sandbox.postgres.cluster import SUPERUSER, Cluster, ensure_database
from ops.sandbox.postgres.errors import PostgresError
from ops.sandbox.postgres.wheel import programs

__all__ = ["SUPERUSER", "Cluster", "PostgresError", "ensure_database", "programs"]

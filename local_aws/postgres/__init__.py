"""The Postgres server of a local world: its programs, the account that it runs under, its data folder, its life."""

from local_aws.postgres.cluster import SUPERUSER, Cluster, ensure_database
from local_aws.postgres.errors import PostgresError
from local_aws.postgres.wheel import programs

__all__ = ["SUPERUSER", "Cluster", "PostgresError", "ensure_database", "programs"]

"""The databases of a local world: totesys with its owner and its reader, the warehouse with its owner."""

from collections.abc import Callable

import psycopg

from local_aws.state import State
from ops.sandbox.postgres import Cluster, ensure_database
from ops.sandbox.settings import SOURCE_DATABASE, SUPERUSER, WAREHOUSE_DATABASE, WAREHOUSE_OWNER, Settings
from totesys import roles, schema


def cluster(state: State, settings: Settings) -> Cluster:
    """Return the Postgres server of the world."""
    return Cluster(state.postgres, settings.postgres_port, state.logs / "postgres.log")


def ensure(server: Cluster, settings: Settings) -> None:
    """Create the server, start it, and create roles, databases and the tables of totesys; what is there stays."""
    passwords = settings.passwords
    server.create(passwords[SUPERUSER])
    server.start()
    with psycopg.connect(settings.superuser_url, autocommit=True) as connection:
        roles.create(connection, owner_password=passwords[roles.OWNER], reader_password=passwords[roles.READER])
        roles.ensure_login(connection, WAREHOUSE_OWNER, passwords[WAREHOUSE_OWNER])
        ensure_database(connection, SOURCE_DATABASE, roles.OWNER)
        ensure_database(connection, WAREHOUSE_DATABASE, WAREHOUSE_OWNER)
    with psycopg.connect(settings.totesys_url, autocommit=True) as connection:
        schema.create(connection, reader=roles.READER)


def of_redshift(state: State) -> Callable[[str, str], str]:
    """Return the function that makes the database which stands for one of Redshift's, and returns its URL.

    No two have the same, since the name of a warehouse has no underscore in it.
    """

    def url(warehouse: str, database: str) -> str:
        settings = Settings.load(state)
        name = f"redshift_{warehouse}_{database}"
        with psycopg.connect(settings.superuser_url, autocommit=True) as connection:
            ensure_database(connection, name, WAREHOUSE_OWNER)
        return settings.url_of(name)

    return url

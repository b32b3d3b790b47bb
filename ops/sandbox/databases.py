"""The databases of a local world: totesys with its owner and its reader, the warehouse and those of Redshift's place.

A role enters the databases that it owns or was let into, and no other.
"""

import secrets
import threading
from collections.abc import Callable

import psycopg
from psycopg import sql

from local_aws.state import State
from ops.sandbox.postgres import Cluster, ensure_database
from ops.sandbox.settings import SOURCE_DATABASE, SUPERUSER, WAREHOUSE_DATABASE, WAREHOUSE_OWNER, SandboxSettings
from totesys import roles, schema


def cluster(state: State, settings: SandboxSettings) -> Cluster:
    """Return the Postgres server of the world."""
    return Cluster(state.postgres, settings.postgres_port, state.logs / "postgres.log")


def ensure(server: Cluster, settings: SandboxSettings) -> None:
    """Create the server, start it, and create roles, databases and the tables of totesys; what is there stays."""
    passwords = settings.passwords
    server.create(passwords[SUPERUSER])
    server.start()
    with psycopg.connect(settings.superuser_url, autocommit=True) as connection:
        roles.create(connection, owner_password=passwords[roles.OWNER], reader_password=passwords[roles.READER])
        roles.ensure_login(connection, WAREHOUSE_OWNER, passwords[WAREHOUSE_OWNER])
        for of_the_server in ("postgres", "template1"):
            ensure_database(connection, of_the_server, SUPERUSER)
        ensure_database(connection, SOURCE_DATABASE, roles.OWNER)
        ensure_database(connection, WAREHOUSE_DATABASE, WAREHOUSE_OWNER)
    with psycopg.connect(settings.totesys_url, autocommit=True) as connection:
        schema.create(connection, reader=roles.READER)


def redshift_databases(state: State) -> Callable[[str, str], str]:
    """Return the function that makes the database which stands for one of Redshift's, and returns its owner's URL.

    No two have the same, since the name of a warehouse has no underscore in it. The owner is a role with the name of
    the database. Its password is new for each function that is returned here, which alone knows it.
    """
    passwords: dict[str, str] = {}
    lock = threading.Lock()

    def url(warehouse: str, database: str) -> str:
        settings = SandboxSettings.load(state)
        server = cluster(state, settings)
        name = f"redshift_{warehouse}_{database}"
        with lock:
            if name not in passwords:
                password = secrets.token_urlsafe(18)
                _ensure_owned_by_itself(server, settings, name, password)
                passwords[name] = password
            return server.url(name, name, passwords[name])

    return url


def _ensure_owned_by_itself(server: Cluster, settings: SandboxSettings, name: str, password: str) -> None:
    """Create the database `name` and its owner, the role `name`, where they are missing; give the role the password.

    A database that belongs to the owner of the warehouse, as earlier versions made it, is taken over with all it holds.
    """
    role, warehouse_owner = sql.Identifier(name), sql.Identifier(WAREHOUSE_OWNER)
    own = sql.SQL("ALTER DATABASE {} OWNER TO {}")
    with psycopg.connect(settings.superuser_url, autocommit=True) as connection:
        ensure_database(connection, name, SUPERUSER)
        roles.ensure_login(connection, name, password)
        of_warehouse_owner = "SELECT datname FROM pg_database WHERE pg_get_userbyid(datdba) = %s"
        others = {other for (other,) in connection.execute(of_warehouse_owner, [WAREHOUSE_OWNER])}
        if name not in others:
            connection.execute(own.format(role, role))
            return
    with psycopg.connect(server.url(name, SUPERUSER, settings.passwords[SUPERUSER])) as connection:
        connection.execute(sql.SQL("REASSIGN OWNED BY {} TO {}").format(warehouse_owner, role))
        for other in others - {name}:  # REASSIGN takes every database of the owner, and objects of this one only
            connection.execute(own.format(sql.Identifier(other), warehouse_owner))

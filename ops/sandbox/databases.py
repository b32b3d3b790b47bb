"""The databases of a local environment: totesys, the warehouse, and those that stand in for Redshift.

A role can connect only to databases that it owns or has been granted access to.
"""

import secrets
import threading
from collections.abc import Callable
from contextlib import suppress

import psycopg
from psycopg import sql

from local_aws.state import State
from ops.sandbox.postgres import Cluster, ensure_database
from ops.sandbox.settings import (
    SOURCE_DATABASE,
    SUPERUSER,
    WAREHOUSE_DATABASE,
    WAREHOUSE_LOADER,
    WAREHOUSE_OWNER,
    WAREHOUSE_READER,
    SandboxSettings,
)
from totelake.runtime.connections import Login
from totelake.runtime.errors import AlreadyRunningError, WarehouseSchemaError
from totelake.warehouse.postgres import roles as warehouse_roles
from totelake.warehouse.postgres import shape
from totelake.warehouse.postgres.session import open_warehouse
from totesys import roles, schema

_UNENCRYPTED = (("sslmode", "disable"),)  # the server listens on 127.0.0.1 only


def cluster(state: State, settings: SandboxSettings) -> Cluster:
    """Return the Postgres server of the local environment."""
    return Cluster(state.postgres, settings.postgres_port, state.logs / "postgres.log")


def ensure(server: Cluster, settings: SandboxSettings) -> None:
    """Create what is missing of the server, its roles, its databases and the tables of totesys, and start it."""
    passwords = settings.passwords
    server.create(passwords[SUPERUSER])
    server.start()
    with psycopg.connect(settings.superuser_url, autocommit=True) as connection:
        roles.create(connection, owner_password=passwords[roles.OWNER], reader_password=passwords[roles.READER])
        roles.ensure_login(connection, WAREHOUSE_OWNER, passwords[WAREHOUSE_OWNER])
        for name in (WAREHOUSE_LOADER, WAREHOUSE_READER):
            warehouse_roles.ensure(connection, name, passwords[name])
        for system_database in ("postgres", "template1"):
            ensure_database(connection, system_database, SUPERUSER)
        ensure_database(connection, SOURCE_DATABASE, roles.OWNER)
        ensure_database(connection, WAREHOUSE_DATABASE, WAREHOUSE_OWNER)
    with psycopg.connect(settings.totesys_url, autocommit=True) as connection:
        schema.create(connection, reader=roles.READER)
    with suppress(WarehouseSchemaError, AlreadyRunningError):  # the next load reports it too
        define_warehouse(settings)


def define_warehouse(settings: SandboxSettings) -> None:
    """Create what the warehouse lacks, as its owner, and grant the loader and the reader their rights.

    Raises `WarehouseSchemaError` when a table has other columns than declared.
    """
    owner = settings.login(WAREHOUSE_DATABASE, WAREHOUSE_OWNER)
    login = Login(owner["host"], owner["port"], owner["database"], owner["username"], owner["password"], _UNENCRYPTED)
    with open_warehouse(login, "define") as connection:
        shape.define(connection)


def redshift_databases(state: State) -> Callable[[str, str], str]:
    """Return a function (warehouse, database) that creates a database in place of Redshift's and returns its URL.

    The names are unambiguous, since a warehouse's name contains no underscore. The URL is that of the owner, a role
    with the name of the database. Each returned function sets a new password, which is stored nowhere else.
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
                _ensure_own_database(server, settings, name, password)
                passwords[name] = password
            return server.url(name, name, passwords[name])

    return url


def _ensure_own_database(server: Cluster, settings: SandboxSettings, name: str, password: str) -> None:
    """Create the database `name` and its owner, the role `name`, unless they exist; set the role's password.

    Databases of earlier versions, owned by the owner of the warehouse, are reassigned with all their objects.
    """
    role, warehouse_owner = sql.Identifier(name), sql.Identifier(WAREHOUSE_OWNER)
    change_owner = sql.SQL("ALTER DATABASE {} OWNER TO {}")
    with psycopg.connect(settings.superuser_url, autocommit=True) as connection:
        ensure_database(connection, name, SUPERUSER)
        roles.ensure_login(connection, name, password)
        owned_databases = "SELECT datname FROM pg_database WHERE pg_get_userbyid(datdba) = %s"
        owned = {database for (database,) in connection.execute(owned_databases, [WAREHOUSE_OWNER])}
        if name not in owned:
            connection.execute(change_owner.format(role, role))
            return
    with psycopg.connect(server.url(name, SUPERUSER, settings.passwords[SUPERUSER])) as connection:
        connection.execute(sql.SQL("REASSIGN OWNED BY {} TO {}").format(warehouse_owner, role))
        for database in owned - {name}:  # REASSIGN takes all databases of the owner, but objects of this one only
            connection.execute(change_owner.format(sql.Identifier(database), warehouse_owner))

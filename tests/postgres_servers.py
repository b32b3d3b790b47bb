"""A real Postgres server with the platform's roles, and the URLs and logins of its databases."""

import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from psycopg import conninfo

from ops.sandbox.postgres import SUPERUSER, Cluster
from totelake.runtime.connections import Login
from totelake.warehouse.names import LOADER, READER
from totelake.warehouse.postgres import roles as warehouse_roles
from totesys import roles

PASSWORD = "a test's p@ss/word"
WAREHOUSE_OWNER = "warehouse_owner"


@contextmanager
def postgres(**parameters: str) -> Iterator[Cluster]:
    """Run a Postgres server with the platform's roles and the server `parameters`; remove it after the block."""
    folder = Path(tempfile.mkdtemp(prefix="totelake-postgres-"))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    cluster = Cluster(folder / "data", port, folder / "postgres.log", durable=False)
    try:
        cluster.create(PASSWORD)
        with (folder / "data" / "postgresql.conf").open("a") as configuration:
            configuration.writelines(f"{name} = {value}\n" for name, value in parameters.items())
        cluster.start()
        with psycopg.connect(superuser(cluster, "postgres"), autocommit=True) as connection:
            roles.create(connection, owner_password=PASSWORD, reader_password=PASSWORD)
            roles.ensure_login(connection, WAREHOUSE_OWNER, PASSWORD)
            for name in (LOADER, READER):
                warehouse_roles.ensure(connection, name, PASSWORD)
        yield cluster
    finally:
        cluster.remove()
        shutil.rmtree(folder)


def superuser(cluster: Cluster, database: str) -> str:
    """Return the superuser's URL of `database`."""
    return cluster.url(database, SUPERUSER, PASSWORD)


def as_role(url: str, role: str) -> str:
    """Return the URL of the same database for another role."""
    parts = conninfo.conninfo_to_dict(url)
    return Cluster(Path(), int(str(parts["port"])), Path()).url(str(parts["dbname"]), role, PASSWORD)


def login_of(url: str) -> Login:
    """Return the login of a database URL."""
    parts = {name: str(value) for name, value in conninfo.conninfo_to_dict(url).items()}
    return Login(parts["host"], int(parts["port"]), parts["dbname"], parts["user"], parts["password"])

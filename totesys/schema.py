"""The tables of totesys: creation, grants, and connections that require them."""

import re
from importlib import resources

import psycopg
from psycopg import conninfo, sql

from totesys.errors import SchemaMissingError, UnreachableError

_SCHEMA = resources.files("totesys").joinpath("schema.sql").read_text()
TABLES = tuple(re.findall(r"^CREATE TABLE IF NOT EXISTS ([a-z]\w*)", _SCHEMA, re.MULTILINE))
"""The tables of the business; referenced tables come first."""


def create(connection: psycopg.Connection, *, reader: str | None = None) -> None:
    """Create missing tables, owned by the role of `connection`; existing ones are left unchanged.

    The role `reader`, if given, is granted read access, see `grant`.
    """
    with connection.transaction():
        connection.execute("SET LOCAL client_min_messages = warning")
        connection.execute(_SCHEMA.encode())
        if reader is not None:
            grant(connection, reader)


def grant(connection: psycopg.Connection, reader: str) -> None:
    """Grant the role `reader` SELECT on the tables, and nothing else; `connection` is the database owner's.

    The tables must exist. Postgres' default privileges of PUBLIC on the database are revoked.
    """
    role, database = sql.Identifier(reader), sql.Identifier(connection.info.dbname)
    tables = sql.SQL(", ").join(sql.Identifier("public", table) for table in TABLES)
    with connection.transaction():
        connection.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(database))
        connection.execute(sql.SQL("GRANT CONNECT ON DATABASE {} TO {}").format(database, role))
        connection.execute(sql.SQL("GRANT USAGE ON SCHEMA public TO {}").format(role))
        connection.execute(sql.SQL("REVOKE ALL ON ALL TABLES IN SCHEMA public FROM {}").format(role))
        connection.execute(sql.SQL("GRANT SELECT ON {} TO {}").format(tables, role))


def connect(url: str, *, autocommit: bool = False) -> psycopg.Connection:
    """Connect to the totesys at `url`, whose tables must exist.

    Raises UnreachableError and SchemaMissingError; neither message contains the password.
    """
    try:
        connection = psycopg.connect(url, autocommit=True, connect_timeout=10, application_name="totesys")
    except psycopg.OperationalError as error:
        raise UnreachableError(_without_password(url), " ".join(str(error).split())) from None
    row = connection.execute(
        "SELECT array_agg(relname::text) FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
    ).fetchone()
    present = set(row[0] or ()) if row else set()
    missing = [table for table in TABLES if table not in present]
    if missing:
        connection.close()
        raise SchemaMissingError(missing)
    connection.autocommit = autocommit
    return connection


def _without_password(url: str) -> str:
    """Return host, port and database of a URL."""
    parts = conninfo.conninfo_to_dict(url)
    return f"{parts.get('host')}:{parts.get('port', 5432)}/{parts.get('dbname')}"

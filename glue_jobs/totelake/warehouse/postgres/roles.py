"""The roles of a warehouse in Postgres: the owner creates it, the loader loads it, the reader reads it.

The loader has the rights that a load needs, see `functions` for those that take the owner's permissions.
"""

from collections.abc import Iterable

import psycopg
from psycopg import sql

from totelake.tables import STAR_TABLES
from totelake.tables.ledger import LEDGER
from totelake.warehouse.names import LOADER, READER, SCHEMA, STAGING_SCHEMA, as_text, relations
from totelake.warehouse.postgres.functions import SIGNATURES

_MAINTAIN_SINCE = 170000


def ensure(connection: psycopg.Connection, name: str, password: str) -> None:
    """Create the login role `name`, or set its password; `connection` is of a role that may create roles.

    The password is sent only as its SCRAM verifier, so that the server cannot log it. Transactions of the reader are
    read-only by default.
    """
    verifier = connection.pgconn.encrypt_password(password.encode(), name.encode(), b"scram-sha-256").decode()
    exists = connection.execute("SELECT 1 FROM pg_catalog.pg_roles WHERE rolname = %s", [name]).fetchone()
    connection.execute(
        sql.SQL("{} ROLE {} LOGIN PASSWORD {}").format(
            sql.SQL("ALTER" if exists else "CREATE"), sql.Identifier(name), sql.Literal(verifier)
        )
    )
    if name == READER:
        connection.execute(_read_only())


def grant(connection: psycopg.Connection) -> None:
    """Grant both roles their rights; `connection` is the owner's, and the warehouse is defined."""
    with connection.transaction():
        for statement in _grants():
            connection.execute(statement)
        if connection.info.server_version >= _MAINTAIN_SINCE:  # before, only autovacuum analyzes
            connection.execute(_on_tables("MAINTAIN", STAR_TABLES, LOADER))


def creation() -> str:
    """Return the idempotent statements that create both roles, without passwords, and grant them their rights."""
    create = [
        sql.SQL("DO $$ BEGIN\n    CREATE ROLE {} LOGIN;\nEXCEPTION WHEN duplicate_object THEN NULL;\nEND $$").format(
            sql.Identifier(name)
        )
        for name in (LOADER, READER)
    ]
    return as_text([*create, _read_only(), *_grants()])


def _grants() -> list[sql.Composed]:
    facts = [name for name, table in STAR_TABLES.items() if table.is_fact]
    dimensions = [name for name in STAR_TABLES if name not in facts]
    loader, both = sql.Identifier(LOADER), sql.SQL(", ").join(map(sql.Identifier, (LOADER, READER)))
    schema, staging = sql.Identifier(SCHEMA), sql.Identifier(STAGING_SCHEMA)
    return [
        sql.SQL(
            "DO $$ BEGIN EXECUTE pg_catalog.format('GRANT CONNECT ON DATABASE %I TO {}',"
            " pg_catalog.current_database()); END $$"
        ).format(both),
        sql.SQL("GRANT USAGE ON SCHEMA {} TO {}").format(schema, both),
        _on_tables("SELECT", relations(), LOADER, READER),
        _on_tables("INSERT, DELETE", [LEDGER], LOADER),
        _on_tables("INSERT", facts, LOADER),
        _on_tables("INSERT, UPDATE", dimensions, LOADER),
        sql.SQL("GRANT USAGE, CREATE ON SCHEMA {} TO {}").format(staging, loader),
        sql.SQL("GRANT EXECUTE ON FUNCTION {} TO {}").format(sql.SQL(", ").join(SIGNATURES), loader),
        sql.SQL("ALTER DEFAULT PRIVILEGES IN SCHEMA {} GRANT SELECT ON TABLES TO {}").format(
            schema, sql.Identifier(READER)
        ),
    ]


def _on_tables(rights: str, tables: Iterable[str], *names: str) -> sql.Composed:
    return sql.SQL("GRANT {} ON {} TO {}").format(
        sql.SQL(rights),
        sql.SQL(", ").join(sql.Identifier(SCHEMA, table) for table in tables),
        sql.SQL(", ").join(map(sql.Identifier, names)),
    )


def _read_only() -> sql.Composed:
    return sql.SQL("ALTER ROLE {} SET default_transaction_read_only = on").format(sql.Identifier(READER))

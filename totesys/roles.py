"""The database roles of totesys: an owner and a read-only reader."""

import psycopg
from psycopg import sql

from totesys.role_names import OWNER, READER

__all__ = ["OWNER", "READER", "create", "ensure_login", "ensure_reader"]


def ensure_login(connection: psycopg.Connection, name: str, password: str) -> None:
    """Create the login role `name`, or set its password when it exists.

    `connection` is a superuser's. The password is sent only as its SCRAM verifier, so that the server cannot log it.
    """
    verifier = connection.pgconn.encrypt_password(password.encode(), name.encode(), b"scram-sha-256").decode()
    exists = connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [name]).fetchone()
    verb = sql.SQL("ALTER" if exists else "CREATE")
    connection.execute(
        sql.SQL("{} ROLE {} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE PASSWORD {}").format(
            verb, sql.Identifier(name), sql.Literal(verifier)
        )
    )


def ensure_reader(connection: psycopg.Connection, name: str, password: str) -> None:
    """Create the login role `name`, as `ensure_login` does, whose transactions are read-only by default."""
    ensure_login(connection, name, password)
    connection.execute(sql.SQL("ALTER ROLE {} SET default_transaction_read_only = on").format(sql.Identifier(name)))


def create(connection: psycopg.Connection, *, owner_password: str, reader_password: str) -> None:
    """Create both roles of totesys, or set their passwords; `connection` is a superuser's."""
    ensure_login(connection, OWNER, owner_password)
    ensure_reader(connection, READER, reader_password)

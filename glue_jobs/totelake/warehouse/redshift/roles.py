"""The users of a warehouse in Redshift: the loader loads it, the reader reads it; the administrator owns it."""

import hashlib
from collections.abc import Mapping

from psycopg import sql

from totelake.tables import STAR_TABLES
from totelake.tables.ledger import LEDGER
from totelake.warehouse.names import LOADER, READER, SCHEMA, STAGING_SCHEMA, relations
from totelake.warehouse.redshift.data_api import DataApi
from totelake.warehouse.redshift.merge import staging

_EXISTING = sql.SQL("SELECT usename FROM pg_user WHERE usename IN ({})").format(
    sql.SQL(", ").join(map(sql.Literal, (LOADER, READER)))
)


def ensure(api: DataApi, passwords: Mapping[str, str]) -> None:
    """Create the users of `passwords`, or set their passwords; `api` is the administrator's."""
    existing = {name for (name,) in api.rows(_EXISTING)}
    api.run([password(name, value, exists=name in existing) for name, value in passwords.items()])


def password(name: str, value: str, *, exists: bool) -> sql.Composed:
    """Return the statement that creates a user or, if it `exists`, sets its password.

    The statement has only a hash of it: docs.aws.amazon.com/redshift/latest/dg/r_CREATE_USER.html.
    """
    digest = hashlib.md5((value + name).encode(), usedforsecurity=False).hexdigest()
    return sql.SQL("{} USER {} PASSWORD {}").format(
        sql.SQL("ALTER" if exists else "CREATE"), sql.Identifier(name), f"md5{digest}"
    )


def grants() -> list[sql.Composed]:
    """Return the statements that grant both users their rights on the defined warehouse.

    Every user may use the roles of the namespace for COPY; the trust policy of the role names the loader.
    """
    return [
        *(_grant("USAGE", sql.SQL("SCHEMA ") + sql.Identifier(SCHEMA), user) for user in (LOADER, READER)),
        _grant("USAGE", sql.SQL("SCHEMA ") + sql.Identifier(STAGING_SCHEMA), LOADER),
        *(_grant("SELECT", sql.Identifier(SCHEMA, name), user) for name in relations() for user in (LOADER, READER)),
        # A full refresh deletes all rows within its transaction, in which TRUNCATE would commit.
        *(_grant("INSERT, UPDATE, DELETE", sql.Identifier(SCHEMA, name), LOADER) for name in (LEDGER, *STAR_TABLES)),
        *(_grant("SELECT, INSERT, DELETE, TRUNCATE", staging(table), LOADER) for table in STAR_TABLES.values()),
    ]


def _grant(rights: str, to_what: sql.Composable, user: str) -> sql.Composed:
    return sql.SQL("GRANT {} ON {} TO {}").format(sql.SQL(rights), to_what, sql.Identifier(user))

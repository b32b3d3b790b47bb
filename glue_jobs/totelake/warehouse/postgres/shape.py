"""A warehouse held to its definition: what it lacks is made, what differs is an error."""

from collections import defaultdict

import psycopg
from psycopg import sql

from totelake.errors import WarehouseSchemaError
from totelake.tables import STAR_TABLES, StarTable
from totelake.warehouse.names import SCHEMA, STAGING_SCHEMA, as_text, relations
from totelake.warehouse.postgres.definition import foreign_keys, staging_comment, statements

_APPLY_LOCK = (0x746F7465, 2)

# Postgres' own words for the types that the declarations spell in the short way.
_SPELLED_OUT = {
    "varchar": "character varying",
    "time(3)": "time(3) without time zone",
    "timestamp(3)": "timestamp(3) without time zone",
}
_FOUND_COLUMNS = """
SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull
FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid
WHERE c.relnamespace = %s::regnamespace AND c.relkind IN ('r', 'p')
    AND c.relname = ANY(%s) AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY c.relname, a.attnum
"""
_FOUND_RELATIONS = "SELECT count(*) FROM pg_class WHERE relnamespace = %s::regnamespace AND relname = ANY(%s)"
_FOUND_COMMENT = "SELECT obj_description(to_regnamespace(%s), 'pg_namespace')"
_FOUND_FOREIGN_KEYS = "SELECT conname FROM pg_constraint WHERE connamespace = %s::regnamespace AND contype = 'f'"


def apply(connection: psycopg.Connection, *, with_foreign_keys: bool = True) -> None:
    """Make what the warehouse behind `connection` lacks.

    A warehouse that lacks nothing is only read, so nothing stands in its readers' way. A load leaves the foreign keys
    to the end of its transaction, see `add_foreign_keys`. Raises `WarehouseSchemaError` when a table is there with
    other columns than it declares.
    """
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(%s, %s)", _APPLY_LOCK)
        _check_columns(connection)
        if not _has_everything(connection):
            connection.execute(as_text(statements()).encode())
        if with_foreign_keys:
            add_foreign_keys(connection)


def add_foreign_keys(connection: psycopg.Connection) -> None:
    """Add the foreign keys that are missing, which holds every row there is against its dimensions.

    On a full table that is one join for each key, where a key that is there costs a look-up for each row inserted. It
    keeps writers of the two tables out, not readers.
    """
    found = {name for (name,) in connection.execute(_FOUND_FOREIGN_KEYS, (SCHEMA,))}
    for name, statement in foreign_keys().items():
        if name not in found:
            connection.execute(statement)


def empty(connection: psycopg.Connection) -> None:
    """Remove the foreign keys and all rows of the star tables, in the transaction that `connection` has open.

    Surrogate keys begin anew. Readers wait until the transaction has ended.
    """
    found = {name for (name,) in connection.execute(_FOUND_FOREIGN_KEYS, (SCHEMA,))}
    for table in STAR_TABLES.values():
        for name in (f"{table.name}_{column.name}_fkey" for column in table.columns):
            if name in found:
                connection.execute(_drop(table, name))
    tables = sql.SQL(", ").join(sql.Identifier(SCHEMA, name) for name in STAR_TABLES)
    connection.execute(sql.SQL("TRUNCATE {} RESTART IDENTITY").format(tables))


def _drop(table: StarTable, constraint: str) -> sql.Composed:
    return sql.SQL("ALTER TABLE {} DROP CONSTRAINT {}").format(
        sql.Identifier(SCHEMA, table.name), sql.Identifier(constraint)
    )


def _has_everything(connection: psycopg.Connection) -> bool:
    wanted = relations()
    found = connection.execute(_FOUND_RELATIONS, (SCHEMA, wanted)).fetchone()
    comment = connection.execute(_FOUND_COMMENT, (STAGING_SCHEMA,)).fetchone()
    return found == (len(wanted),) and comment == (staging_comment(statements()[:-1]),)


def _check_columns(connection: psycopg.Connection) -> None:
    """Hold the tables that are there against their declarations."""
    found: dict[str, dict[str, str]] = defaultdict(dict)
    for table, name, kind, not_null in connection.execute(_FOUND_COLUMNS, (SCHEMA, list(STAR_TABLES))):
        found[table][name] = f"{kind} NOT NULL" if not_null else kind
    for table, columns in found.items():
        WarehouseSchemaError.check(table, columns, _declared_columns(STAR_TABLES[table]))


def _declared_columns(table: StarTable) -> dict[str, str]:
    declared = {table.surrogate: "integer NOT NULL"} if table.surrogate else {}
    for column in table.stored_columns:
        kind = _SPELLED_OUT.get(column.type.postgres, column.type.postgres)
        declared[column.name] = kind if column.nullable else f"{kind} NOT NULL"
    return declared

"""The keys of a warehouse in Postgres: adds missing ones, and logs them."""

import psycopg
from psycopg import sql

from totelake.runtime import log
from totelake.runtime.error_mapping import server_message
from totelake.runtime.errors import WarehouseDefinitionError, WarehouseKeysError, WarehouseReferenceError
from totelake.tables import STAR_TABLES
from totelake.tables.ledger import LEDGER
from totelake.warehouse.names import SCHEMA
from totelake.warehouse.postgres import functions
from totelake.warehouse.postgres.definition import Key, foreign_keys, keys

# ON CONFLICT needs an index that is unique, valid, not partial and not deferrable.
_KEYS = """
SELECT c.relname, array_agg(a.attname::text), i.indisprimary, i.indimmediate, quote_ident(key.relname)
FROM pg_index AS i
JOIN pg_class AS c ON c.oid = i.indrelid
JOIN pg_class AS key ON key.oid = i.indexrelid
CROSS JOIN LATERAL unnest(i.indkey::int2[]) WITH ORDINALITY AS k (attnum, place)
JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
WHERE c.relnamespace = %s::regnamespace AND c.relname = ANY(%s) AND k.place <= i.indnkeyatts
    AND i.indisunique AND i.indisvalid AND i.indisready AND i.indpred IS NULL AND i.indexprs IS NULL
GROUP BY c.relname, key.relname, i.indexrelid, i.indisprimary, i.indimmediate
"""
_FOREIGN_KEYS = """
SELECT c.relname, k.conname, pg_get_constraintdef(k.oid)
FROM pg_constraint AS k JOIN pg_class AS c ON c.oid = k.conrelid
WHERE k.contype = 'f' AND c.relnamespace = %s::regnamespace AND c.relname = ANY(%s)
"""
_REFERENCES = """
SELECT k.conrelid::regclass::text, quote_ident(k.conname), k.conname, star.relname, pg_get_constraintdef(k.oid),
    referring.relnamespace = star.relnamespace AND referring.relname = ANY(%(stars)s)
FROM pg_constraint AS k
JOIN pg_class AS star ON star.oid = k.confrelid
JOIN pg_class AS referring ON referring.oid = k.conrelid
WHERE k.contype = 'f' AND k.conparentid = 0
    AND star.relnamespace = %(schema)s::regnamespace AND star.relname = ANY(%(emptied)s)
ORDER BY 1, 2
"""


def restore(connection: psycopg.Connection) -> None:
    """Add missing primary and unique keys, which a merge needs to find existing rows.

    A deferrable one is replaced. Raises `WarehouseKeysError` when the rows of a table violate its key.
    """
    rows = connection.execute(_KEYS, (SCHEMA, [LEDGER, *STAR_TABLES])).fetchall()
    existing = {(table, frozenset(columns), primary) for table, columns, primary, immediate, _ in rows if immediate}
    deferrable = {(table, frozenset(columns)): name for table, columns, _, immediate, name in rows if not immediate}
    for key in keys():
        columns = frozenset(key.columns)
        primary_or_unique = (True,) if key.kind == "PRIMARY KEY" else (True, False)
        to_drop = deferrable.get((key.table, columns))
        drop = sql.SQL("ALTER TABLE {} DROP CONSTRAINT {}").format(
            sql.Identifier(SCHEMA, key.table), sql.SQL(to_drop or "")
        )
        statements = [drop] if to_drop else []
        if not any((key.table, columns, primary) in existing for primary in primary_or_unique):
            statements.append(key.add)
        if statements:
            _replace(connection, key, statements)


def _replace(connection: psycopg.Connection, key: Key, statements: list[sql.Composed]) -> None:
    """Run the `statements` that add or replace `key`."""
    try:
        with connection.transaction():
            for statement in statements:
                connection.execute(statement)
    except psycopg.OperationalError:
        raise  # a lock timeout or a server problem, not one of the table
    except psycopg.errors.InsufficientPrivilege as error:
        raise WarehouseDefinitionError([f"{key.definition} of {key.table}"]) from error
    except psycopg.Error as error:
        raise WarehouseKeysError(key.table, key.definition, key.add.as_string(), server_message(error)) from error
    log.event("key_restored", status="ok", stage="load", table=key.table, key=key.definition)


def add_foreign_keys(connection: psycopg.Connection) -> None:
    """Add missing foreign keys, which validates every row against its dimensions.

    One that differs from its declaration, such as NOT VALID or to another table, is replaced. On a full table this is
    one join per key, while an existing key costs a lookup for each row inserted. It blocks writers of the two tables,
    not readers.
    """
    rows = connection.execute(_FOREIGN_KEYS, (SCHEMA, list(STAR_TABLES)))
    existing = {(table, name): definition for table, name, definition in rows}
    for key in foreign_keys():
        if existing.get((key.table, key.name)) != key.definition:
            connection.execute(functions.add_foreign_key(key.name))


def drop_foreign_keys(connection: psycopg.Connection) -> None:
    """Drop the foreign keys that reference star tables, so that these can be truncated.

    This includes those of a star table that was renamed. Raises `WarehouseReferenceError` when there are others, or
    ones that reference the ledger: up to Postgres 17, triggers of a cascading deletion run with the permissions of the
    role that deletes, whoever owns the referencing table.
    """
    declared = {key.name for key in foreign_keys()}
    names = {"schema": SCHEMA, "stars": list(STAR_TABLES), "emptied": [LEDGER, *STAR_TABLES]}
    rows = connection.execute(_REFERENCES, names).fetchall()
    if others := [row for row in rows if row[2] not in declared and not row[5]]:
        raise WarehouseReferenceError([(table, name, star, text) for table, name, _, star, text, _ in others])
    connection.execute(functions.drop_foreign_keys())

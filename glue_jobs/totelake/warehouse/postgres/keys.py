"""The keys of a warehouse in Postgres: those that are missing are added, and a load says which these were."""

import psycopg
from psycopg import sql

from totelake.runtime import worklog
from totelake.runtime.error_mapping import told
from totelake.runtime.errors import WarehouseKeysError, WarehouseReferenceError
from totelake.tables import STAR_TABLES
from totelake.tables.ledger import LEDGER
from totelake.warehouse.names import SCHEMA
from totelake.warehouse.postgres.definition import Key, foreign_keys, keys

# ON CONFLICT needs an index that is unique, valid and not partial, and refuses one that is checked at the end.
_FOUND_KEYS = """
SELECT c.relname, array_agg(a.attname::text), i.indisprimary, i.indimmediate, i.indexrelid::regclass::text
FROM pg_index AS i
JOIN pg_class AS c ON c.oid = i.indrelid
CROSS JOIN LATERAL unnest(i.indkey::int2[]) WITH ORDINALITY AS k (attnum, place)
JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
WHERE c.relnamespace = %s::regnamespace AND c.relname = ANY(%s) AND k.place <= i.indnkeyatts
    AND i.indisunique AND i.indisvalid AND i.indisready AND i.indpred IS NULL AND i.indexprs IS NULL
GROUP BY c.relname, i.indexrelid, i.indisprimary, i.indimmediate
"""
_FOUND_FOREIGN_KEYS = """
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
    AND star.relnamespace = %(schema)s::regnamespace AND star.relname = ANY(%(stars)s)
ORDER BY 1, 2
"""


def restore(connection: psycopg.Connection) -> None:
    """Add the primary and unique keys that are missing, without which a merge cannot tell what is there.

    A deferrable one is replaced. Raises `WarehouseKeysError` when the rows of a table do not allow its key.
    """
    rows = connection.execute(_FOUND_KEYS, (SCHEMA, [LEDGER, *STAR_TABLES])).fetchall()
    found = {(table, frozenset(columns), primary) for table, columns, primary, immediate, _ in rows if immediate}
    deferrable = {(table, frozenset(columns)): name for table, columns, _, immediate, name in rows if not immediate}
    for key in keys():
        columns = frozenset(key.columns)
        enough = (True,) if key.kind == "PRIMARY KEY" else (True, False)
        late = deferrable.get((key.table, columns))
        drop = sql.SQL("ALTER TABLE {} DROP CONSTRAINT {}").format(
            sql.Identifier(SCHEMA, key.table), sql.SQL(late or "")
        )
        statements = [drop] if late else []
        if not any((key.table, columns, primary) in found for primary in enough):
            statements.append(key.add)
        if statements:
            _change(connection, key, statements)


def _change(connection: psycopg.Connection, key: Key, statements: list[sql.Composed]) -> None:
    """Run the `statements` that put `key` in its place."""
    try:
        with connection.transaction():
            for statement in statements:
                connection.execute(statement)
    except psycopg.OperationalError:
        raise  # a lock, or the server: nothing that is wrong with the table
    except psycopg.Error as error:
        raise WarehouseKeysError(key.table, key.definition, key.add.as_string(), told(error)) from error
    worklog.say("key_restored", status="ok", stage="load", table=key.table, key=key.definition)


def add_foreign_keys(connection: psycopg.Connection) -> None:
    """Add the foreign keys that are missing, which holds every row there is against its dimensions.

    One that is not as it was declared, such as NOT VALID or to another table, is replaced. On a full table that is one
    join for each key, where a key that is there costs a look-up for each row inserted. It keeps writers of the two
    tables out, not readers.
    """
    rows = connection.execute(_FOUND_FOREIGN_KEYS, (SCHEMA, list(STAR_TABLES)))
    found = {(table, name): definition for table, name, definition in rows}
    for key in foreign_keys():
        definition = found.get((key.table, key.name))
        if definition == key.definition:
            continue
        if definition is not None:
            connection.execute(key.drop)
        connection.execute(key.add)


def drop_foreign_keys(connection: psycopg.Connection) -> None:
    """Drop the foreign keys that refer to star tables, so that these can be emptied.

    Those of a star table that was renamed are among them. Raises `WarehouseReferenceError` when there are others.
    """
    declared = {key.name for key in foreign_keys()}
    rows = connection.execute(_REFERENCES, {"schema": SCHEMA, "stars": list(STAR_TABLES)}).fetchall()
    ours = [row for row in rows if row[2] in declared]
    if others := [row for row in rows if row[2] not in declared and not row[5]]:
        raise WarehouseReferenceError([(table, name, star, text) for table, name, _, star, text, _ in others])
    for table, name, *_ in ours:
        # Both are quoted already, by the server.
        connection.execute(sql.SQL("ALTER TABLE {} DROP CONSTRAINT {}").format(sql.SQL(table), sql.SQL(name)))

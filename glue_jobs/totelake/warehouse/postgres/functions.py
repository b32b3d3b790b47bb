"""The functions of the warehouse: what a load needs of the owner's permissions, and nothing else.

They run with the permissions of their owner, so that the role of the load owns no table. They are in the schema of the
staging tables, where only the owner and that role can create functions.
"""

from collections.abc import Mapping

from psycopg import sql

from totelake.tables import STAR_TABLES
from totelake.warehouse.names import SCHEMA, STAGING_SCHEMA

_ADD_FOREIGN_KEY, _DROP_FOREIGN_KEYS, _TRUNCATE = (
    sql.Identifier(STAGING_SCHEMA, name) for name in ("add_foreign_key", "drop_foreign_keys", "truncate_star_tables")
)
SIGNATURES = [
    sql.SQL("{}(text)").format(_ADD_FOREIGN_KEY),
    sql.SQL("{}()").format(_DROP_FOREIGN_KEYS),
    sql.SQL("{}()").format(_TRUNCATE),
]
"""The functions with the types of their arguments."""

# The search path is set: that of the caller could have operators, which would run with the owner's permissions. The
# schema of the caller's temporary tables is named last; otherwise it would be first.
_CREATE = sql.SQL(
    "CREATE OR REPLACE FUNCTION {signature} RETURNS void LANGUAGE plpgsql SECURITY DEFINER"
    " SET search_path = {path}, pg_temp AS $$\n{body}\n$$"
)
_ADD = sql.SQL("BEGIN\n    CASE $1\n{cases}\n    END CASE;\nEND")
_CASE = sql.SQL("    WHEN {} THEN\n        {};")
# Of all tables: one that was renamed keeps its keys.
_DROP = sql.SQL("""DECLARE
    key record;
BEGIN
    FOR key IN
        SELECT conrelid::regclass AS referring, conname FROM pg_constraint
        WHERE contype = 'f' AND conparentid = 0 AND conname = ANY(ARRAY[{names}]) AND confrelid IN (
            SELECT oid FROM pg_class WHERE relnamespace = {schema}::regnamespace AND relname = ANY(ARRAY[{tables}])
        )
    LOOP
        EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I', key.referring, key.conname);
    END LOOP;
END""")


def create(keys: Mapping[str, sql.Composed]) -> list[sql.Composed]:
    """Return the statements that create the functions; `keys` has the statements that add each foreign key."""
    cases = sql.SQL("\n").join(_CASE.format(name, statement) for name, statement in keys.items())
    drop = _DROP.format(schema=SCHEMA, names=_literals(keys), tables=_literals(STAR_TABLES))
    tables = sql.SQL(", ").join(sql.Identifier(SCHEMA, table) for table in STAR_TABLES)
    truncate = sql.SQL("BEGIN\n    TRUNCATE {} RESTART IDENTITY;\nEND").format(tables)
    bodies = (
        ("pg_catalog", _ADD.format(cases=cases)),
        ("pg_catalog", drop),
        # As triggers on the tables expect; it evaluates no expression.
        (SCHEMA, truncate),
    )
    created = [
        _CREATE.format(signature=signature, path=sql.Identifier(path), body=body)
        for signature, (path, body) in zip(SIGNATURES, bodies, strict=True)
    ]
    revoke = sql.SQL("REVOKE ALL ON FUNCTION {} FROM PUBLIC").format(sql.SQL(", ").join(SIGNATURES))
    return [*created, revoke]


def add_foreign_key(name: str) -> sql.Composed:
    """Return the statement that adds the foreign key `name`, in place of an existing one."""
    return sql.SQL("SELECT {}({})").format(_ADD_FOREIGN_KEY, name)


def drop_foreign_keys() -> sql.Composed:
    """Return the statement that drops the declared foreign keys to star tables."""
    return sql.SQL("SELECT {}()").format(_DROP_FOREIGN_KEYS)


def truncate_star_tables() -> sql.Composed:
    """Return the statement that truncates all star tables, and restarts their surrogate keys."""
    return sql.SQL("SELECT {}()").format(_TRUNCATE)


def _literals(names: Mapping[str, object]) -> sql.Composed:
    return sql.SQL(", ").join(map(sql.Literal, names))

"""A warehouse in Redshift held to its definition: what it lacks is made, what differs or lost its rows is an error."""

import json
from collections import defaultdict

from psycopg import sql

from totelake.runtime.errors import WarehouseColumnsError, WarehouseTablesError
from totelake.tables import STAR_TABLES, StarTable
from totelake.tables.ledger import LEDGER
from totelake.warehouse.losses import filled, losses
from totelake.warehouse.names import SCHEMA, relations
from totelake.warehouse.redshift import ledger
from totelake.warehouse.redshift.data_api import BATCH, DataApi, Row
from totelake.warehouse.redshift.definition import ledger_comment, statements

_FOUND_COLUMNS = sql.SQL(
    "SELECT table_name, column_name, data_type, character_maximum_length, numeric_precision, numeric_scale, is_nullable"
    " FROM information_schema.columns WHERE table_schema = {} ORDER BY table_name, ordinal_position"
).format(SCHEMA)
_FOUND_RELATIONS = sql.SQL(
    "SELECT table_name, table_type FROM information_schema.tables WHERE table_schema = {} AND table_name IN ({})"
).format(SCHEMA, sql.SQL(", ").join(map(sql.Literal, relations())))
_FOUND_COMMENT = sql.SQL(
    "SELECT d.description FROM pg_description AS d JOIN pg_class AS c ON c.oid = d.objoid AND d.objsubid = 0"
    " JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE n.nspname = {} AND c.relname = {}"
).format(SCHEMA, LEDGER)

_TABLE = "BASE TABLE"

# The catalog's words for the types that the declarations spell in Redshift's way.
_SPELLED_OUT = {
    "VARCHAR": "character varying",
    "DECIMAL": "numeric",
    "TIME": "time without time zone",
    "TIMESTAMP": "timestamp without time zone",
}


def apply(api: DataApi, *, rebuild: bool = False) -> None:
    """Make what the warehouse behind `api` lacks.

    A warehouse that lacks nothing is only read. Raises `WarehouseSchemaError` when a table is there with other columns
    than it declares, and when one lost all its rows or is missing although rows of it were loaded. For a `rebuild` it
    is made, and the ledger forgets its entries first: whatever becomes of the rebuild, the next load brings all.
    """
    columns, found, comment = api.run([_FOUND_COLUMNS, _FOUND_RELATIONS, _FOUND_COMMENT]).results()
    kinds = {str(name): str(kind) for name, kind in found}
    _check_kinds(kinds)
    _check_columns(columns)
    lost = _losses(api, kinds)
    if lost and not rebuild:
        raise WarehouseTablesError(lost)
    if lost and LEDGER in kinds:
        api.run([ledger.forget()])
    if kinds.keys() != set(relations()) or comment != [(ledger_comment(),)]:
        made = statements()
        for start in range(0, len(made), BATCH):
            api.run(made[start : start + BATCH])


def _losses(api: DataApi, kinds: dict[str, str]) -> dict[str, str]:
    """Return the tables that lost all their rows."""
    tables = [name for name in (LEDGER, *STAR_TABLES) if name in kinds]
    # Whoever loads has locked the ledger: it is read first, so that what is read of the tables is what they have left.
    if not tables or (LEDGER in tables and not api.rows(filled([LEDGER]))):
        return {}
    with_rows = _names(api.rows(filled(tables)))
    entries: list[Row] = []
    if LEDGER in tables and not with_rows.issuperset(STAR_TABLES):
        # Its entries are many. They are read together with the tables, since a load may have ended in between.
        entries, rows = api.run([ledger.rows_of_entries(), filled(tables)]).results()
        with_rows = _names(rows)
    return losses(tables, with_rows, lambda: [json.loads(rows) for (rows,) in entries])


def _check_kinds(kinds: dict[str, str]) -> None:
    """Raise the error when something else has the name of a table."""
    if taken := {name: kinds[name] for name in (LEDGER, *STAR_TABLES) if kinds.get(name, _TABLE) != _TABLE}:
        raise WarehouseTablesError(
            {name: f"is a {kind} and no table: rename or drop it first" for name, kind in taken.items()}
        )


def _names(rows: list[Row]) -> set[str]:
    return {str(name) for (name,) in rows}


def _check_columns(rows: list[tuple[object, ...]]) -> None:
    """Hold the tables that are there against their declarations."""
    found: dict[str, dict[str, str]] = defaultdict(dict)
    for table, name, kind, length, precision, scale, nullable in rows:
        if table in STAR_TABLES:
            bounds = f"({length})" if length else f"({precision},{scale})" if kind == "numeric" else ""
            found[str(table)][str(name)] = f"{kind}{bounds}" + (" NOT NULL" if nullable == "NO" else "")
    for table, columns in found.items():
        WarehouseColumnsError.check(table, columns, _declared_columns(STAR_TABLES[table]))


def _declared_columns(table: StarTable) -> dict[str, str]:
    declared = {table.surrogate: "integer NOT NULL"} if table.surrogate else {}
    for column in table.stored_columns:
        name, bracket, bounds = column.type.redshift.partition("(")
        kind = _SPELLED_OUT.get(name, name.lower()) + bracket + bounds
        declared[column.name] = kind if column.nullable else f"{kind} NOT NULL"
    return declared

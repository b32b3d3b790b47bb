"""Applies the definition to a warehouse: creates what is missing, raises errors for differences and lost rows."""

import json
from collections import defaultdict

from psycopg import sql

from totelake.runtime import log
from totelake.runtime.errors import (
    DatabaseRefusedError,
    WarehouseColumnsError,
    WarehouseDefinitionError,
    WarehouseTablesError,
)
from totelake.tables import STAR_TABLES, StarTable
from totelake.tables.ledger import LEDGER
from totelake.warehouse.lost_tables import lost_tables, non_empty
from totelake.warehouse.names import SCHEMA, relations
from totelake.warehouse.redshift import ledger, roles
from totelake.warehouse.redshift.data_api import MAX_STATEMENTS, DataApi, Row
from totelake.warehouse.redshift.definition import ledger_comment, statements

_COLUMNS = sql.SQL(
    "SELECT table_name, column_name, data_type, character_maximum_length, numeric_precision, numeric_scale, is_nullable"
    " FROM information_schema.columns WHERE table_schema = {} ORDER BY table_name, ordinal_position"
).format(SCHEMA)
_RELATIONS = sql.SQL(
    "SELECT table_name, table_type FROM information_schema.tables WHERE table_schema = {} AND table_name IN ({})"
).format(SCHEMA, sql.SQL(", ").join(map(sql.Literal, relations())))
_COMMENT = sql.SQL(
    "SELECT d.description FROM pg_description AS d JOIN pg_class AS c ON c.oid = d.objoid AND d.objsubid = 0"
    " JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE n.nspname = {} AND c.relname = {}"
).format(SCHEMA, LEDGER)

_BASE_TABLE = "BASE TABLE"

# The catalog's names of types that the declarations give with Redshift's names.
_FULL_NAMES = {
    "VARCHAR": "character varying",
    "DECIMAL": "numeric",
    "TIME": "time without time zone",
    "TIMESTAMP": "timestamp without time zone",
}


def apply(api: DataApi, *, rebuild: bool = False) -> None:
    """Create what the warehouse of `api` lacks, as its owner; for another user it must be complete.

    A complete warehouse is only read. Raises `WarehouseSchemaError` when a table has other columns than declared, or is
    missing or empty although rows of it were loaded. A `rebuild` creates such a table, and deletes all ledger entries
    first, so that the next load loads every batch even if the rebuild fails.
    """
    columns, actual, comment = api.run([_COLUMNS, _RELATIONS, _COMMENT]).results()
    kinds = {str(name): str(kind) for name, kind in actual}
    _check_kinds(kinds)
    _check_columns(columns)
    lost = _lost_tables(api, kinds)
    if lost and not rebuild:
        raise WarehouseTablesError(lost)
    if lost and LEDGER in kinds:
        api.run([ledger.delete_entries()])
    missing = set(relations()) - kinds.keys()
    if missing or comment != [(ledger_comment(),)]:
        _create(api, missing)


def define(api: DataApi) -> None:
    """Create what the warehouse of `api` lacks, as its owner, and grant the users their rights.

    Lost tables are created empty. Raises `WarehouseSchemaError` when a table has other columns than declared.
    """
    columns, actual = api.run([_COLUMNS, _RELATIONS]).results()
    _check_kinds({str(name): str(kind) for name, kind in actual})
    _check_columns(columns)
    _run(api, [*statements(), *roles.grants()])


def _create(api: DataApi, missing: set[str]) -> None:
    """Create what is missing or outdated; raise `WarehouseDefinitionError` when the user may not create the missing."""
    try:
        _run(api, statements())
    except DatabaseRefusedError as error:
        if missing:
            raise WarehouseDefinitionError(sorted(missing)) from error
        log.event("definition_outdated", status="ok", stage="load")


def _run(api: DataApi, statements: list[sql.Composed]) -> None:
    for start in range(0, len(statements), MAX_STATEMENTS):
        api.run(statements[start : start + MAX_STATEMENTS])


def _lost_tables(api: DataApi, kinds: dict[str, str]) -> dict[str, str]:
    """Return the problem of each table that lost all its rows."""
    tables = [name for name in (LEDGER, *STAR_TABLES) if name in kinds]
    # A load locks the ledger. It is read first, so that the tables are read after the load has committed.
    if not tables or (LEDGER in tables and not api.rows(non_empty([LEDGER]))):
        return {}
    with_rows = _names(api.rows(non_empty(tables)))
    entries: list[Row] = []
    if LEDGER in tables and not with_rows.issuperset(STAR_TABLES):
        # The entries may be many, so they are read only now; again with the tables, since a load may have committed.
        entries, rows = api.run([ledger.rows_of_entries(), non_empty(tables)]).results()
        with_rows = _names(rows)
    return lost_tables(tables, with_rows, lambda: [json.loads(rows) for (rows,) in entries])


def _check_kinds(kinds: dict[str, str]) -> None:
    """Raise the error when another relation has the name of a table."""
    if taken := {name: kinds[name] for name in (LEDGER, *STAR_TABLES) if kinds.get(name, _BASE_TABLE) != _BASE_TABLE}:
        raise WarehouseTablesError(
            {name: f"is a {kind}, not a table: rename or drop it first" for name, kind in taken.items()}
        )


def _names(rows: list[Row]) -> set[str]:
    return {str(name) for (name,) in rows}


def _check_columns(rows: list[tuple[object, ...]]) -> None:
    """Compare the existing tables with their declarations."""
    actual: dict[str, dict[str, str]] = defaultdict(dict)
    for table, name, kind, length, precision, scale, nullable in rows:
        if table in STAR_TABLES:
            bounds = f"({length})" if length else f"({precision},{scale})" if kind == "numeric" else ""
            actual[str(table)][str(name)] = f"{kind}{bounds}" + (" NOT NULL" if nullable == "NO" else "")
    for table, columns in actual.items():
        WarehouseColumnsError.check(table, columns, _declared_columns(STAR_TABLES[table]))


def _declared_columns(table: StarTable) -> dict[str, str]:
    declared = {table.surrogate: "integer NOT NULL"} if table.surrogate else {}
    for column in table.stored_columns:
        name, bracket, bounds = column.type.redshift.partition("(")
        kind = _FULL_NAMES.get(name, name.lower()) + bracket + bounds
        declared[column.name] = kind if column.nullable else f"{kind} NOT NULL"
    return declared

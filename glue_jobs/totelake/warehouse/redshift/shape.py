"""A warehouse in Redshift held to its definition: what it lacks is made, what differs is an error."""

from collections import defaultdict

from psycopg import sql

from totelake.errors import WarehouseSchemaError
from totelake.tables import STAR_TABLES, StarTable
from totelake.warehouse.names import LEDGER, SCHEMA, relations
from totelake.warehouse.redshift.data_api import BATCH, DataApi
from totelake.warehouse.redshift.definition import ledger_comment, statements

_FOUND_COLUMNS = sql.SQL(
    "SELECT table_name, column_name, data_type, character_maximum_length, numeric_precision, numeric_scale, is_nullable"
    " FROM information_schema.columns WHERE table_schema = {} ORDER BY table_name, ordinal_position"
).format(SCHEMA)
_FOUND_RELATIONS = sql.SQL(
    "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = {} AND table_name IN ({})"
).format(SCHEMA, sql.SQL(", ").join(map(sql.Literal, relations())))
_FOUND_COMMENT = sql.SQL(
    "SELECT d.description FROM pg_description AS d JOIN pg_class AS c ON c.oid = d.objoid AND d.objsubid = 0"
    " JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE n.nspname = {} AND c.relname = {}"
).format(SCHEMA, LEDGER)

# The catalog's words for the types that the declarations spell in Redshift's way.
_SPELLED_OUT = {
    "VARCHAR": "character varying",
    "DECIMAL": "numeric",
    "TIME": "time without time zone",
    "TIMESTAMP": "timestamp without time zone",
}


def apply(api: DataApi) -> None:
    """Make what the warehouse behind `api` lacks.

    A warehouse that lacks nothing is only read. Raises `WarehouseSchemaError` when a table is there with other columns
    than it declares.
    """
    columns, found, comment = api.run([_FOUND_COLUMNS, _FOUND_RELATIONS, _FOUND_COMMENT]).results()
    _check_columns(columns)
    if found != [(len(relations()),)] or comment != [(ledger_comment(),)]:
        made = statements()
        for start in range(0, len(made), BATCH):
            api.run(made[start : start + BATCH])


def _check_columns(rows: list[tuple[object, ...]]) -> None:
    """Hold the tables that are there against their declarations."""
    found: dict[str, dict[str, str]] = defaultdict(dict)
    for table, name, kind, length, precision, scale, nullable in rows:
        if table in STAR_TABLES:
            bounds = f"({length})" if length else f"({precision},{scale})" if kind == "numeric" else ""
            found[str(table)][str(name)] = f"{kind}{bounds}" + (" NOT NULL" if nullable == "NO" else "")
    for table, columns in found.items():
        WarehouseSchemaError.check(table, columns, _declared_columns(STAR_TABLES[table]))


def _declared_columns(table: StarTable) -> dict[str, str]:
    declared = {table.surrogate: "integer NOT NULL"} if table.surrogate else {}
    for column in table.stored_columns:
        name, bracket, bounds = column.type.redshift.partition("(")
        kind = _SPELLED_OUT.get(name, name.lower()) + bracket + bounds
        declared[column.name] = kind if column.nullable else f"{kind} NOT NULL"
    return declared

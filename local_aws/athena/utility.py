"""Statements on the catalog only: SHOW, DESCRIBE, CREATE VIEW and DROP VIEW."""

import re
from collections.abc import Iterable

from sqlglot import exp

from local_aws.athena import values
from local_aws.athena.catalog import NAME, QueryCatalog, QueryRelation
from local_aws.athena.engine import Engine
from local_aws.athena.errors import QueryError
from local_aws.athena.statements import ShowStatement
from local_aws.athena.values import ColumnInfo

_WIDTH, _BLANK = 20, "\t \t "
_COLUMNS = {
    "DATABASES": ("database_name",),
    "TABLES": ("tab_name",),
    "VIEWS": ("views",),
    "PARTITIONS": ("partition",),
    "DESCRIBE": ("col_name", "data_type", "comment"),
}


def show(statement: ShowStatement, catalog: QueryCatalog, database: str) -> tuple[list[ColumnInfo], list[str]]:
    """Return the columns and lines of the result; raise `QueryError` when the database or table does not exist."""
    columns = [values.describe_column(name, "string") for name in _COLUMNS[statement.kind]]
    return columns, _lines(statement, catalog, statement.database or database)


def create_view(create: exp.Create, catalog: QueryCatalog, database: str) -> None:
    """Create a view in the catalog, with the columns of its query, which is resolved in `database`."""
    name = create.find(exp.Table)
    if name is None or not isinstance(create.expression, exp.Query):
        raise QueryError("NOT_SUPPORTED", "line 1:1: CREATE VIEW needs a name and a query")
    view_database = _database_of(name, catalog, database)
    engine = Engine(catalog, database)
    try:
        columns = dict(engine.run(create.expression).columns)
    finally:
        engine.close()
    definition = {
        "originalSql": create.expression.sql("trino"),
        "catalog": NAME,
        "schema": database,
        "columns": [{"name": column, "type": values.athena_type(type_)} for column, type_ in columns.items()],
    }
    hive_columns = {column: values.hive_type(type_) for column, type_ in columns.items()}
    is_replace = bool(create.args.get("replace"))
    catalog.put_view(view_database, name.name.lower(), definition, hive_columns, replace=is_replace)


def drop_view(drop: exp.Drop, catalog: QueryCatalog, database: str) -> None:
    """Delete a view from the catalog; raise `QueryError` for a table."""
    name = drop.args["tables"][0]
    view_database = _database_of(name, catalog, database)
    relation = catalog.relation(view_database, name.name)
    if relation is None and drop.args.get("exists"):
        return
    if relation is None or relation.view is None:
        raise QueryError("TABLE_NOT_FOUND", f"View '{NAME}.{view_database}.{name.name.lower()}' does not exist", name)
    catalog.drop_view(relation.database, relation.name)


def _database_of(name: exp.Table, catalog: QueryCatalog, database: str) -> str:
    full_database = (name.db or database).lower()
    if not catalog.has(full_database):
        raise QueryError("SCHEMA_NOT_FOUND", f"Schema '{full_database}' does not exist", name)
    return full_database


def _lines(show: ShowStatement, catalog: QueryCatalog, database: str) -> list[str]:
    if show.kind == "DATABASES":
        return _matching(catalog.databases(), show.pattern)
    if show.kind in {"TABLES", "VIEWS"}:
        relations = [each for each in catalog.relations(database) if each.view is not None or show.kind == "TABLES"]
        return _matching((each.name for each in relations), show.pattern)
    table = show.table or ""
    relation = catalog.relation(database, table)
    if relation is None:
        raise QueryError("TABLE_NOT_FOUND", f"Table '{NAME}.{database}.{table.lower()}' does not exist")
    return _description(relation) if show.kind == "DESCRIBE" else _partitions(relation)


def _matching(names: Iterable[str], pattern: str | None) -> list[str]:
    """Return the names that match a Hive pattern: `*` matches any characters, `|` separates alternatives."""
    if pattern is None:
        return list(names)
    expression = "|".join(re.escape(part).replace(r"\*", ".*") for part in pattern.lower().split("|"))
    return [name for name in names if re.fullmatch(expression, name)]


def _partitions(table: QueryRelation) -> list[str]:
    if not table.keys:
        raise QueryError("INVALID_TABLE_PROPERTY", f"{table.database}.{table.name} is not partitioned")
    return sorted(
        "/".join(f"{key}={value}" for key, value in zip(table.keys, partition.values, strict=True))
        for partition in table.partitions
    )


def _description(relation: QueryRelation) -> list[str]:
    """Return the columns in Hive's form, with partition keys repeated at the end."""
    lines = [_line(name, type_, relation) for name, type_ in relation.schema.items()]
    if relation.keys:
        heading = "\t".join(part.ljust(_WIDTH) for part in ("# col_name", "data_type", "comment"))
        keys = [_line(name, type_, relation) for name, type_ in relation.keys.items()]
        lines += [_BLANK, f"# Partition Information{_BLANK}", heading, _BLANK, *keys]
    return lines


def _line(name: str, type_: str, relation: QueryRelation) -> str:
    comment = " ".join(relation.comments.get(name, "").split())
    return "\t".join(part.ljust(_WIDTH) for part in (name, type_, comment))

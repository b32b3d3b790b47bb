"""What SHOW and DESCRIBE answer, and the making of views: all that asks the catalog and no rows."""

import re
from collections.abc import Iterable

from sqlglot import exp

from local_aws.athena import values
from local_aws.athena.catalog import NAME, Catalog, Relation
from local_aws.athena.engine import Engine
from local_aws.athena.errors import QueryError
from local_aws.athena.statements import Show
from local_aws.athena.values import ColumnInfo

_WIDTH, _BLANK = 20, "\t \t "
_COLUMNS = {
    "DATABASES": ("database_name",),
    "TABLES": ("tab_name",),
    "VIEWS": ("views",),
    "PARTITIONS": ("partition",),
    "DESCRIBE": ("col_name", "data_type", "comment"),
}


def show(asked: Show, catalog: Catalog, database: str) -> tuple[list[ColumnInfo], list[str]]:
    """Return the columns and the lines of what is asked to be shown; raise `QueryError` where that is not there."""
    columns = [values.told(name, "string") for name in _COLUMNS[asked.kind]]
    return columns, _lines(asked, catalog, asked.database or database)


def create_view(create: exp.Create, catalog: Catalog, database: str) -> None:
    """Keep a view in the catalog; its columns are those that its query has in `database`."""
    name = create.find(exp.Table)
    if name is None or not isinstance(create.expression, exp.Query):
        raise QueryError("NOT_SUPPORTED", "line 1:1: CREATE VIEW takes a name and a query")
    where = _database_of(name, catalog, database)
    engine = Engine(catalog, database)
    try:
        columns = dict(engine.run(create.expression).columns)
    finally:
        engine.close()
    definition = {
        "originalSql": create.expression.sql("trino"),
        "catalog": NAME,
        "schema": database,
        "columns": [{"name": column, "type": values.in_athena(kind)} for column, kind in columns.items()],
    }
    hive = {column: values.in_hive(kind) for column, kind in columns.items()}
    catalog.put_view(where, name.name.lower(), definition, hive, replace=bool(create.args.get("replace")))


def drop_view(drop: exp.Drop, catalog: Catalog, database: str) -> None:
    """Remove a view from the catalog; a table is not removed."""
    name = drop.args["tables"][0]
    where = _database_of(name, catalog, database)
    relation = catalog.relation(where, name.name)
    if relation is None and drop.args.get("exists"):
        return
    if relation is None or relation.view is None:
        raise QueryError("TABLE_NOT_FOUND", f"View '{NAME}.{where}.{name.name.lower()}' does not exist", name)
    catalog.drop_view(relation.database, relation.name)


def _database_of(name: exp.Table, catalog: Catalog, database: str) -> str:
    where = (name.db or database).lower()
    if not catalog.has(where):
        raise QueryError("SCHEMA_NOT_FOUND", f"Schema '{where}' does not exist", name)
    return where


def _lines(asked: Show, catalog: Catalog, database: str) -> list[str]:
    if asked.kind == "DATABASES":
        return _matching(catalog.databases(), asked.pattern)
    if asked.kind in {"TABLES", "VIEWS"}:
        found = [each for each in catalog.relations(database) if each.view is not None or asked.kind == "TABLES"]
        return _matching((each.name for each in found), asked.pattern)
    relation = catalog.relation(database, asked.table or "")
    if relation is None:
        raise QueryError("TABLE_NOT_FOUND", f"Table '{NAME}.{database}.{(asked.table or '').lower()}' does not exist")
    return _described(relation) if asked.kind == "DESCRIBE" else _partitions(relation)


def _matching(names: Iterable[str], pattern: str | None) -> list[str]:
    """Return those names that a pattern of Hive's lets pass: `*` is anything, and `|` is or."""
    if pattern is None:
        return list(names)
    expression = "|".join(re.escape(part).replace(r"\*", ".*") for part in pattern.lower().split("|"))
    return [name for name in names if re.fullmatch(expression, name)]


def _partitions(table: Relation) -> list[str]:
    if not table.keys:
        raise QueryError("INVALID_TABLE_PROPERTY", f"{table.database}.{table.name} is not partitioned")
    return sorted(
        "/".join(f"{key}={value}" for key, value in zip(table.keys, partition.values, strict=True))
        for partition in table.partitions
    )


def _described(relation: Relation) -> list[str]:
    """Return the columns as Hive describes them; the keys of the partitions are told once more at the end."""
    lines = [_line(name, kind, relation) for name, kind in relation.schema.items()]
    if relation.keys:
        heading = "\t".join(part.ljust(_WIDTH) for part in ("# col_name", "data_type", "comment"))
        keys = [_line(name, kind, relation) for name, kind in relation.keys.items()]
        lines += [_BLANK, f"# Partition Information{_BLANK}", heading, _BLANK, *keys]
    return lines


def _line(name: str, kind: str, relation: Relation) -> str:
    comment = " ".join(relation.comments.get(name, "").split())
    return "\t".join(part.ljust(_WIDTH) for part in (name, kind, comment))

"""A query in Athena's SQL, run by DuckDB over the files of the catalog's tables, and no others."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import duckdb
import sqlglot
from sqlglot import exp
from sqlglot.errors import OptimizeError
from sqlglot.optimizer.qualify import qualify
from sqlglot.optimizer.scope import traverse_scope

from local_aws.athena import dialect, values
from local_aws.athena.catalog import NAME, Catalog, Relation
from local_aws.athena.errors import QueryError, column_named, of_duckdb

_ROWS_AT_ONCE = 10_000
_CANNOT_RESOLVE = "cannot be resolved or requester is not authorized to access requested resources"
_UNRESOLVED = re.compile(r"(?:Column '|Unknown column: )([^'\s]+)'?(?:.*Line: (\d+), Col: (\d+))?")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a query has as its result: its columns in DuckDB's types, and its rows as they come."""

    columns: list[tuple[str, str]]
    rows: Iterator[tuple[Any, ...]]


class Engine:
    """DuckDB in memory, for one query in `database`; it can open the files of the tables that are named, by name."""

    def __init__(self, catalog: Catalog, database: str) -> None:
        """Begin with nothing in it."""
        self._catalog = catalog
        self._database = database
        self._connection = duckdb.connect()
        self._relations: dict[tuple[str, str], Relation] = {}
        self._definitions: list[str] = []
        self._files: list[Path] = []

    def interrupt(self) -> None:
        """Break off what is being run."""
        self._connection.interrupt()

    def run(self, query: exp.Expr) -> Outcome:
        """Run a query; raise `QueryError` where it cannot be."""
        tree = self._resolved(query, self._database, ())
        try:
            self._open()
            answer = self._connection.execute(dialect.in_duckdb(tree))
        except duckdb.Error as error:
            raise of_duckdb(error, query) from error
        columns = [
            (dialect.name_of(name, place), str(kind)) for place, (name, kind, *_) in enumerate(answer.description or ())
        ]
        return Outcome(columns, self._rows(query))

    def bytes_scanned(self) -> int:
        """Return the bytes of the column chunks that the last query read."""
        told = json.loads(self._connection.get_profiling_information())
        return int(told.get("query", {}).get("total_bytes_scanned") or 0)

    def close(self) -> None:
        """Let go of everything."""
        self._connection.close()

    def _rows(self, query: exp.Expr) -> Iterator[tuple[Any, ...]]:
        try:
            while some := self._connection.fetchmany(_ROWS_AT_ONCE):
                yield from some
        except duckdb.Error as error:
            raise of_duckdb(error, query) from error

    def _open(self) -> None:
        """Define the relations, and from then on let nothing else be opened or set."""
        self._connection.execute("SET TimeZone = 'UTC'")
        self._connection.execute("SET integer_division = true")
        self._connection.execute("PRAGMA enable_profiling = 'no_output'")
        self._connection.execute(f"SET allowed_paths = {_listed(map(str, self._files))}")
        self._connection.execute("SET enable_external_access = false")
        self._connection.execute("SET lock_configuration = true")
        for definition in self._definitions:
            self._connection.execute(definition)

    def _resolved(self, query: exp.Expr, database: str, within: tuple[tuple[str, str], ...]) -> exp.Expr:
        """Return `query` with its tables named in full, each of which is defined, and its columns checked."""
        tree = query.copy()
        relations = []
        for table in _tables(tree):
            relation = self._relation(table, database, within)
            table.set("catalog", None)
            table.set("db", exp.to_identifier(relation.database, quoted=True))
            relations.append(relation)
        _check_columns(tree, relations, query)
        return tree

    def _relation(self, table: exp.Table, database: str, within: tuple[tuple[str, str], ...]) -> Relation:
        if not isinstance(table.this, exp.Identifier):
            raise QueryError("NOT_SUPPORTED", f"a table function does not run locally: {table.this.sql('trino')}")
        if table.catalog and table.catalog.lower() != NAME:
            raise QueryError("CATALOG_NOT_FOUND", f"Catalog '{table.catalog}' does not exist", table)
        schema, name = (table.db or database).lower(), table.name.lower()
        if (schema, name) not in self._relations:
            relation = self._catalog.relation(schema, name)
            if relation is None and not self._catalog.has(schema):
                raise QueryError("SCHEMA_NOT_FOUND", f"Schema '{schema}' does not exist", table)
            if relation is None:
                raise QueryError("TABLE_NOT_FOUND", f"Table '{NAME}.{schema}.{name}' does not exist", table)
            if (schema, name) in within:
                raise QueryError("VIEW_IS_RECURSIVE", f"View '{NAME}.{schema}.{name}' is recursive", table)
            self._define(relation, within)
        return self._relations[schema, name]

    def _define(self, relation: Relation, within: tuple[tuple[str, str], ...]) -> None:
        name = f'"{relation.database}"."{relation.name}"'
        key = (relation.database, relation.name)
        if relation.view:
            query = sqlglot.parse_one(relation.view["originalSql"], read="athena")
            where = relation.view.get("schema", relation.database)
            rows = dialect.in_duckdb(self._resolved(query, where, (*within, key)))
        else:
            files = self._catalog.files(relation)
            self._files += files
            rows = _reading(relation, files)
        self._definitions += [f'CREATE SCHEMA IF NOT EXISTS "{relation.database}"', f"CREATE VIEW {name} AS {rows}"]
        self._relations[key] = relation


def _tables(tree: exp.Expr) -> list[exp.Table]:
    """Return the tables of the catalog that a query names, those of its WITH left out."""
    found = [source for scope in traverse_scope(tree) for source in scope.sources.values()]
    return [source for source in found if isinstance(source, exp.Table)]


def _check_columns(tree: exp.Expr, relations: list[Relation], query: exp.Expr) -> None:
    """Resolve the columns as Trino does, which knows no alias in WHERE and GROUP BY, where DuckDB does."""
    schema: dict[str, object] = {}
    for database, some in groupby(sorted(relations, key=_database), key=_database):
        schema[database] = {relation.name: relation.schema for relation in some}
    try:
        qualify(tree.copy(), schema=schema, dialect="trino", expand_alias_refs=False, quote_identifiers=False)
    except OptimizeError as error:
        found = _UNRESOLVED.search(str(error))
        if not found:
            raise QueryError("SYNTAX_ERROR", str(error)) from error
        place = column_named(query, found[1], line=int(found[2] or 0), end=int(found[3] or 0))
        if place and not place.table and sum(place.name.lower() in each.schema for each in relations) > 1:
            raise QueryError("AMBIGUOUS_NAME", f"Column '{place.name}' is ambiguous", place) from error
        name = place.sql("trino").replace('"', "") if place else found[1]
        raise QueryError("COLUMN_NOT_FOUND", f"Column '{name}' {_CANNOT_RESOLVE}", place) from error


def _database(relation: Relation) -> str:
    return relation.database


def _reading(table: Relation, files: list[Path]) -> str:
    """Return the query for a table's rows; DuckDB opens none of `files` that a filter on the partitions rules out."""
    kinds = {name: values.in_duckdb(kind) for name, kind in table.schema.items()}
    if not files:
        nothing = ", ".join(f'CAST(NULL AS {kind}) AS "{name}"' for name, kind in kinds.items())
        return f"SELECT {nothing} WHERE false"
    fields = ", ".join(
        f"'{name}': {{name: '{name}', type: '{kinds[name]}', default_value: NULL}}" for name in table.columns
    )
    keys = ", ".join(f'"{key}": {kinds[key]}' for key in table.keys)
    partitioned = f", hive_partitioning = true, hive_types = {{{keys}}}" if keys else ", hive_partitioning = false"
    columns = ", ".join(f'"{name}"' for name in kinds)
    return f"SELECT {columns} FROM read_parquet({_listed(map(str, files))}{partitioned}, schema = MAP {{{fields}}})"  # noqa: S608 - names of the catalog


def _listed(texts: Iterator[str]) -> str:
    return "[" + ", ".join("'" + text.replace("'", "''") + "'" for text in texts) + "]"

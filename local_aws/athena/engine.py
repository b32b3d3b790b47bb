"""Execution of a query in Athena's SQL by DuckDB, with access only to the files of the catalog's tables."""

import json
import re
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import duckdb
import sqlglot
from sqlglot import exp
from sqlglot.errors import OptimizeError, SqlglotError
from sqlglot.optimizer.qualify import qualify
from sqlglot.optimizer.scope import traverse_scope
from sqlglot.schema import MappingSchema

from local_aws.athena import dialect, hive_types
from local_aws.athena.catalog import NAME, QueryCatalog, QueryRelation
from local_aws.athena.errors import QueryError, find_column, from_duckdb

_KEYWORD = re.compile(r"\w+")
_FETCH_ROWS = 10_000
_ANY_TYPE = exp.DataType(this=exp.DType.UNKNOWN)
_CANNOT_RESOLVE = "cannot be resolved or requester is not authorized to access requested resources"
_GLOB = re.compile(r"[*?\[]")
_UNRESOLVED = re.compile(r"(?:Column '|Unknown column: )([^'\s]+)'?(?:.*Line: (\d+), Col: (\d+))?")


@dataclass(frozen=True, slots=True)
class EngineResult:
    """The result of a query: its columns with DuckDB's types, and an iterator of its rows."""

    columns: list[tuple[str, str]]
    rows: Iterator[tuple[Any, ...]]


class Engine:
    """An in-memory DuckDB for one query in `database`; it can open only the files of the query's tables."""

    def __init__(self, catalog: QueryCatalog, database: str) -> None:
        """Create an engine without tables."""
        self._catalog = catalog
        self._database = database
        self._connection = duckdb.connect()
        # By itself DuckDB puts what does not fit into memory into the caller's folder, where other users can read it.
        self._scratch = tempfile.TemporaryDirectory(prefix="totelake-athena-")
        self._relations: dict[tuple[str, str], QueryRelation] = {}
        self._definitions: list[exp.Create] = []
        self._files: list[Path] = []

    def interrupt(self) -> None:
        """Interrupt the running query."""
        self._connection.interrupt()

    def run(self, query: exp.Expr) -> EngineResult:
        """Run a query and return its result; raise `QueryError` when it fails."""
        tree = self._resolve(query, self._database, ())
        try:
            self._create_views()
            result = self._execute(dialect.for_duckdb(tree), duckdb.StatementType.SELECT)
        except duckdb.Error as error:
            raise from_duckdb(error, query) from error
        columns = [
            (dialect.column_name(name, index), str(type_))
            for index, (name, type_, *_) in enumerate(result.description or ())
        ]
        return EngineResult(columns, self._rows(query))

    def bytes_scanned(self) -> int:
        """Return the size of the column chunks that the last query read, in bytes."""
        profile = json.loads(self._connection.get_profiling_information())
        return int(profile.get("query", {}).get("total_bytes_scanned") or 0)

    def close(self) -> None:
        """Close the database."""
        self._connection.close()
        self._scratch.cleanup()

    def _rows(self, query: exp.Expr) -> Iterator[tuple[Any, ...]]:
        try:
            while rows := self._connection.fetchmany(_FETCH_ROWS):
                yield from rows
        except duckdb.Error as error:
            raise from_duckdb(error, query) from error

    def _create_views(self) -> None:
        """Create the views of the relations, after restricting DuckDB to their files and locking its settings."""
        self._connection.execute("SET temp_directory = ?", [self._scratch.name])
        self._connection.execute("SET TimeZone = 'UTC'")
        self._connection.execute("SET integer_division = true")
        self._connection.execute("PRAGMA enable_profiling = 'no_output'")
        # DuckDB checks both the glob pattern and the matching file.
        allowed = {path for file in self._files for path in (str(file), _escape_glob(file))}
        self._connection.execute("SET allowed_paths = ?", [sorted(allowed)])
        self._connection.execute("SET enable_external_access = false")
        self._connection.execute("SET lock_configuration = true")
        for definition in self._definitions:
            self._execute(definition, duckdb.StatementType.CREATE)

    def _execute(self, tree: exp.Expr, type_: duckdb.StatementType) -> duckdb.DuckDBPyConnection:
        """Execute a statement; raise `QueryError` unless DuckDB parses it as a single one of the type."""
        statements = self._connection.extract_statements(tree.sql("duckdb"))
        if [statement.type for statement in statements] != [type_]:
            raise QueryError("SYNTAX_ERROR", "the query is not a single SELECT statement")
        return self._connection.execute(statements[0])

    def _resolve(self, query: exp.Expr, database: str, parents: tuple[tuple[str, str], ...]) -> exp.Expr:
        """Return `query` with qualified table names; define its relations and check its columns.

        `parents` are the views, by database and name, whose definitions contain the query.
        """
        for node in query.find_all(exp.Var, exp.Operator):  # sqlglot generates these without quoting
            if isinstance(node, exp.Operator) or not _KEYWORD.fullmatch(node.name):
                raise QueryError("SYNTAX_ERROR", f"'{node.name}' is not a keyword", node)
        tree = query.copy()
        relations = []
        for table in _tables(tree):
            relation = self._relation(table, database, parents)
            table.set("catalog", None)
            table.set("db", exp.to_identifier(relation.database, quoted=True))
            relations.append(relation)
        _check_columns(tree, relations, query)
        return tree

    def _relation(self, table: exp.Table, database: str, parents: tuple[tuple[str, str], ...]) -> QueryRelation:
        if not isinstance(table.this, exp.Identifier):
            raise QueryError("NOT_SUPPORTED", f"table functions are not supported locally: {table.this.sql('trino')}")
        if table.catalog and table.catalog.lower() != NAME:
            raise QueryError("CATALOG_NOT_FOUND", f"Catalog '{table.catalog}' does not exist", table)
        schema, name = (table.db or database).lower(), table.name.lower()
        if (schema, name) not in self._relations:
            relation = self._catalog.relation(schema, name)
            if relation is None and not self._catalog.has(schema):
                raise QueryError("SCHEMA_NOT_FOUND", f"Schema '{schema}' does not exist", table)
            if relation is None:
                raise QueryError("TABLE_NOT_FOUND", f"Table '{NAME}.{schema}.{name}' does not exist", table)
            if (schema, name) in parents:
                raise QueryError("VIEW_IS_RECURSIVE", f"View '{NAME}.{schema}.{name}' is recursive", table)
            self._define(relation, parents)
        return self._relations[schema, name]

    def _define(self, relation: QueryRelation, parents: tuple[tuple[str, str], ...]) -> None:
        key = (relation.database, relation.name)
        if relation.view is not None:
            default_database = str(relation.definition["schema"])
            rows = dialect.for_duckdb(self._resolve(_view_query(relation), default_database, (*parents, key)))
        else:
            types = _column_types(relation)
            files = self._catalog.files(relation)
            self._files += files
            rows = _table_query(relation, types, files)
        database = exp.to_identifier(relation.database, quoted=True)
        view = exp.table_(relation.name, db=relation.database, quoted=True)
        self._definitions += [
            exp.Create(this=exp.Table(db=database), kind="SCHEMA", exists=True),
            exp.Create(this=view, kind="VIEW", expression=rows),
        ]
        self._relations[key] = relation


def _view_query(view: QueryRelation) -> exp.Query:
    """Return the query of a view; raise QueryError when its definition is not a query."""
    try:
        query, *others = sqlglot.parse(str(view.definition.get("originalSql")), read="athena")
    except SqlglotError as error:
        raise QueryError("INVALID_VIEW", f"View '{NAME}.{view.database}.{view.name}': {error}") from error
    if others or not isinstance(query, exp.Query):
        raise QueryError("INVALID_VIEW", f"View '{NAME}.{view.database}.{view.name}' is not defined by one query")
    return query


def _tables(tree: exp.Expr) -> list[exp.Table]:
    """Return the catalog tables in a query, without common table expressions."""
    sources = [source for scope in traverse_scope(tree) for source in scope.sources.values()]
    return [source for source in sources if isinstance(source, exp.Table)]


def _check_columns(tree: exp.Expr, relations: list[QueryRelation], query: exp.Expr) -> None:
    """Resolve the columns as Trino does: unlike DuckDB, without aliases in WHERE and GROUP BY.

    Raises QueryError for an unknown or ambiguous column.
    """
    schema: dict[str, object] = {
        database: {relation.name: dict.fromkeys(relation.schema, _ANY_TYPE) for relation in group}
        for database, group in groupby(sorted(relations, key=_database), key=_database)
    }
    # The names are plain text from the catalog, not quoted SQL, so they are not normalized.
    names = MappingSchema(schema, dialect="trino", normalize=False)
    try:
        qualify(tree.copy(), schema=names, dialect="trino", expand_alias_refs=False, quote_identifiers=False)
    except OptimizeError as error:
        match = _UNRESOLVED.search(str(error))
        if not match:
            raise QueryError("SYNTAX_ERROR", str(error)) from error
        column = find_column(query, match[1], line=int(match[2] or 0), end=int(match[3] or 0))
        if column and not column.table and sum(column.name.lower() in each.schema for each in relations) > 1:
            raise QueryError("AMBIGUOUS_NAME", f"Column '{column.name}' is ambiguous", column) from error
        name = column.sql("trino").replace('"', "") if column else match[1]
        raise QueryError("COLUMN_NOT_FOUND", f"Column '{name}' {_CANNOT_RESOLVE}", column) from error


def _database(relation: QueryRelation) -> str:
    return relation.database


def _column_types(table: QueryRelation) -> dict[str, exp.DataType]:
    """Return the types of a table's columns; raise QueryError for an invalid one."""
    types = {}
    for name, hive_type in table.schema.items():
        try:
            types[name] = hive_types.parse(hive_type)
        except hive_types.HiveTypeError as error:
            message = f"column {name} of {table.database}.{table.name} has the type {hive_type}, which Hive lacks"
            raise QueryError("HIVE_INVALID_METADATA", message) from error
    return types


def _table_query(table: QueryRelation, types: Mapping[str, exp.DataType], files: list[Path]) -> exp.Select:
    """Return the query for a table's rows; DuckDB prunes `files` by filters on the partition keys."""
    if not files:
        nulls = [exp.alias_(exp.Cast(this=exp.Null(), to=type_), name, quoted=True) for name, type_ in types.items()]
        return exp.select(*nulls).where(exp.false())
    type_names = {name: exp.Literal.string(type_.sql("duckdb")) for name, type_ in types.items()}
    fields = {
        name: _struct({"name": exp.Literal.string(name), "type": type_names[name], "default_value": exp.Null()})
        for name in table.columns
    }
    options = {"schema": exp.ToMap(this=_struct(fields)), "hive_partitioning": exp.Boolean(this=bool(table.keys))}
    if table.keys:
        options["hive_types"] = _struct({key: type_names[key] for key in table.keys})
    paths = exp.array(*(exp.Literal.string(_escape_glob(file)) for file in files))
    named_arguments = [exp.EQ(this=exp.column(option), expression=value) for option, value in options.items()]
    source = exp.Table(this=exp.ReadParquet(expressions=[paths, *named_arguments]))
    return exp.select(*(exp.column(name, quoted=True) for name in types)).from_(source)


def _struct(fields: Mapping[str, exp.Expr]) -> exp.Struct:
    return exp.Struct(
        expressions=[exp.PropertyEQ(this=exp.Literal.string(name), expression=value) for name, value in fields.items()]
    )


def _escape_glob(file: Path) -> str:
    """Return a path as a DuckDB glob pattern that matches only this path."""
    return _GLOB.sub(r"[\g<0>]", str(file))

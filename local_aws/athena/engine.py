"""A query in Athena's SQL, run by DuckDB over the files of the catalog's tables, and no others."""

import json
import re
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
from local_aws.athena.catalog import NAME, Catalog, Relation
from local_aws.athena.errors import QueryError, column_named, of_duckdb

_WORD = re.compile(r"\w+")
_ROWS_AT_ONCE = 10_000
_ANY = exp.DataType(this=exp.DType.UNKNOWN)
_CANNOT_RESOLVE = "cannot be resolved or requester is not authorized to access requested resources"
_GLOB = re.compile(r"[*?\[]")
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
        self._definitions: list[exp.Create] = []
        self._files: list[Path] = []

    def interrupt(self) -> None:
        """Break off what is being run."""
        self._connection.interrupt()

    def run(self, query: exp.Expr) -> Outcome:
        """Run a query; raise `QueryError` where it cannot be."""
        tree = self._resolved(query, self._database, ())
        try:
            self._open()
            answer = self._execute(dialect.for_duckdb(tree), duckdb.StatementType.SELECT)
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
        # DuckDB checks the pattern that it is given, and the file that matches it.
        allowed = {path for file in self._files for path in (str(file), _literally(file))}
        self._connection.execute("SET allowed_paths = ?", [sorted(allowed)])
        self._connection.execute("SET enable_external_access = false")
        self._connection.execute("SET lock_configuration = true")
        for definition in self._definitions:
            self._execute(definition, duckdb.StatementType.CREATE)

    def _execute(self, tree: exp.Expr, kind: duckdb.StatementType) -> duckdb.DuckDBPyConnection:
        """Execute one statement of a kind, and nothing that is written as one and read as several."""
        statements = self._connection.extract_statements(tree.sql("duckdb"))
        if [statement.type for statement in statements] != [kind]:
            raise QueryError("SYNTAX_ERROR", "the query is not a single statement that reads")
        return self._connection.execute(statements[0])

    def _resolved(self, query: exp.Expr, database: str, within: tuple[tuple[str, str], ...]) -> exp.Expr:
        """Return `query` with its tables named in full, each of which is defined, and its columns checked."""
        for word in query.find_all(exp.Var):  # which sqlglot writes as it stands
            if not _WORD.fullmatch(word.name):
                raise QueryError("SYNTAX_ERROR", f"'{word.name}' is no word of SQL", word)
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
        key = (relation.database, relation.name)
        if relation.view is not None:
            where = str(relation.definition["schema"])
            rows = dialect.for_duckdb(self._resolved(_view_query(relation), where, (*within, key)))
        else:
            kinds = _kinds(relation)
            files = self._catalog.files(relation)
            self._files += files
            rows = _reading(relation, kinds, files)
        database = exp.to_identifier(relation.database, quoted=True)
        view = exp.table_(relation.name, db=relation.database, quoted=True)
        self._definitions += [
            exp.Create(this=exp.Table(db=database), kind="SCHEMA", exists=True),
            exp.Create(this=view, kind="VIEW", expression=rows),
        ]
        self._relations[key] = relation


def _view_query(view: Relation) -> exp.Query:
    """Return the query that a view was defined by; raise QueryError where it is no query."""
    try:
        query, *others = sqlglot.parse(str(view.definition.get("originalSql")), read="athena")
    except SqlglotError as error:
        raise QueryError("INVALID_VIEW", f"View '{NAME}.{view.database}.{view.name}': {error}") from error
    if others or not isinstance(query, exp.Query):
        raise QueryError("INVALID_VIEW", f"View '{NAME}.{view.database}.{view.name}' is not defined by one query")
    return query


def _tables(tree: exp.Expr) -> list[exp.Table]:
    """Return the tables of the catalog that a query names, those of its WITH left out."""
    found = [source for scope in traverse_scope(tree) for source in scope.sources.values()]
    return [source for source in found if isinstance(source, exp.Table)]


def _check_columns(tree: exp.Expr, relations: list[Relation], query: exp.Expr) -> None:
    """Resolve the columns as Trino does, which knows no alias in WHERE and GROUP BY, where DuckDB does."""
    schema: dict[str, object] = {
        database: {relation.name: dict.fromkeys(relation.schema, _ANY) for relation in some}
        for database, some in groupby(sorted(relations, key=_database), key=_database)
    }
    # The names are those of the catalog, and no text in which they would be quoted.
    names = MappingSchema(schema, dialect="trino", normalize=False)
    try:
        qualify(tree.copy(), schema=names, dialect="trino", expand_alias_refs=False, quote_identifiers=False)
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


def _kinds(table: Relation) -> dict[str, exp.DataType]:
    """Return the types of a table's columns; raise QueryError for one that is none."""
    kinds = {}
    for name, kind in table.schema.items():
        try:
            kinds[name] = hive_types.parse(kind)
        except hive_types.HiveTypeError as error:
            message = f"column {name} of {table.database}.{table.name} has the type {kind}, which is none of Hive's"
            raise QueryError("HIVE_INVALID_METADATA", message) from error
    return kinds


def _reading(table: Relation, kinds: Mapping[str, exp.DataType], files: list[Path]) -> exp.Select:
    """Return the query for a table's rows; DuckDB opens none of `files` that a filter on the partitions rules out."""
    if not files:
        nothing = [exp.alias_(exp.Cast(this=exp.Null(), to=kind), name, quoted=True) for name, kind in kinds.items()]
        return exp.select(*nothing).where(exp.false())
    types = {name: exp.Literal.string(kind.sql("duckdb")) for name, kind in kinds.items()}
    fields = {
        name: _struct({"name": exp.Literal.string(name), "type": types[name], "default_value": exp.Null()})
        for name in table.columns
    }
    options = {"schema": exp.ToMap(this=_struct(fields)), "hive_partitioning": exp.Boolean(this=bool(table.keys))}
    if table.keys:
        options["hive_types"] = _struct({key: types[key] for key in table.keys})
    addresses = exp.array(*(exp.Literal.string(_literally(file)) for file in files))
    named = [exp.EQ(this=exp.column(option), expression=value) for option, value in options.items()]
    source = exp.Table(this=exp.ReadParquet(expressions=[addresses, *named]))
    return exp.select(*(exp.column(name, quoted=True) for name in kinds)).from_(source)


def _struct(fields: Mapping[str, exp.Expr]) -> exp.Struct:
    return exp.Struct(
        expressions=[exp.PropertyEQ(this=exp.Literal.string(name), expression=value) for name, value in fields.items()]
    )


def _literally(file: Path) -> str:
    """Return a path in which no sign is one of DuckDB's patterns."""
    return _GLOB.sub(r"[\g<0>]", str(file))

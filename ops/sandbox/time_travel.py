"""Queries of the lake as of an earlier batch: the batch of a number or time, and the query restricted to its rows.

Each row of a star table has the number of the ingested batch of its version, and every version is kept, so a query up
to a batch is the same query on fewer rows. Compactions do not change it.
"""

import logging
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from ops.sandbox.errors import NoBatchAsOfError, NotAskedAsOfError
from totelake.lake.batches import ProcessedBatch
from totelake.lake.commit_log import CommitLog
from totelake.tables import STAR_TABLES
from totelake.warehouse.current_views import query_in_athena, versions_in_athena
from totelake.warehouse.names import current_view

logging.getLogger("sqlglot").setLevel(logging.ERROR)  # it warns of statements that are refused here

_CATALOG = "awsdatacatalog"
_VIEWS = {current_view(table): table for table in STAR_TABLES.values()}


@dataclass(frozen=True, slots=True)
class CoveredBatch:
    """The last of the ingested batches that a processed batch covers: its number, and the time of its snapshot."""

    number: int
    taken_at: str


def find_batch(log: CommitLog[ProcessedBatch], as_of: int | datetime) -> CoveredBatch:
    """Return the last batch up to a number, or up to a time with a time zone, after which the lake was complete.

    Of ingested batches that were transformed together, this is the last one: dimensions have no version of the others.
    Reads only as many records as a binary search needs. Raises `NoBatchAsOfError` when there is no such batch.
    """
    last = log.last_sequence()
    if not last:
        raise NoBatchAsOfError("The processed zone has no batches yet; run the workflow with: totelake run")
    newest = _covered(log, last)
    if isinstance(as_of, int):
        found = bisect_right(range(1, last + 1), as_of, key=lambda sequence: _covered(log, sequence).number)
    else:
        found = bisect_right(range(1, last + 1), as_of, key=lambda sequence: _time(_covered(log, sequence)))
    if not found or (isinstance(as_of, int) and as_of > newest.number):
        asked = f"batch {as_of}" if isinstance(as_of, int) else f"batch up to {as_of.isoformat()}"
        first = _covered(log, 1)
        raise NoBatchAsOfError(
            f"The processed zone has no {asked}: its batches are {first.number}, of {first.taken_at}, "
            f"to {newest.number}, of {newest.taken_at}."
        )
    return _covered(log, found)


def _covered(log: CommitLog[ProcessedBatch], sequence: int) -> CoveredBatch:
    batch = log.read(sequence)
    return CoveredBatch(batch.last_ingested, batch.snapshot_taken_at)


def _time(batch: CoveredBatch) -> datetime:
    return datetime.fromisoformat(batch.taken_at)


def restricted(sql: str, last: int, databases: dict[str, str]) -> str:
    """Return the query `sql` with every star table and view of one restricted to the rows up to the batch `last`.

    `databases` has the name of each zone's database; names without one are of the processed zone. All other text of
    the query stays as it is, and so do tables of databases that are no zone's. Raises `NotAskedAsOfError` when `sql`
    is not a single SELECT in valid syntax, or reads a table of a zone whose rows have no batch number.
    """
    tree = _parsed(sql)
    tables = [table for table in _catalog_tables(tree) if _is_of_zone(table, databases)]
    replaced = {_span(table.parts): _rows(sql, table, last, databases) for table in tables}
    names = {table.name.lower() for table in tables}
    for column in tree.find_all(exp.Column):
        qualifiers = column.parts[:-2]
        if column.table.lower() in names and qualifiers and column.db.lower() == databases["processed"]:
            replaced[qualifiers[0].meta["start"], column.parts[-2].meta["start"]] = ""
    for start, end in sorted(replaced, reverse=True):
        sql = sql[:start] + replaced[start, end] + sql[end:]
    return sql


def _parsed(sql: str) -> exp.Query:
    try:
        trees = [tree for tree in sqlglot.parse(sql, read="athena") if tree]
    except SqlglotError as error:
        raise NotAskedAsOfError(f"The query cannot be parsed: {error}") from error
    if len(trees) != 1 or not isinstance(trees[0], exp.Query):
        raise NotAskedAsOfError("Only a single SELECT can be asked as of an earlier batch.")
    return trees[0]


def _catalog_tables(node: exp.Expr, ctes: frozenset[str] = frozenset()) -> Iterator[exp.Table]:
    """Yield the tables in a query that are not one of its common table expressions; `ctes` are those around it.

    A common table expression sees those before it, and itself only if it is recursive.
    """
    if (
        isinstance(node, exp.Table)
        and isinstance(node.this, exp.Identifier)
        and (node.db or node.name.lower() not in ctes)
    ):
        yield node
    with_ = node.args.get("with_")
    if with_:
        for cte in with_.expressions:
            name = frozenset({cte.alias.lower()})
            yield from _catalog_tables(cte.this, ctes | name if with_.recursive else ctes)
            ctes |= name
    for child in node.iter_expressions():
        if child is not with_:
            yield from _catalog_tables(child, ctes)


def _is_of_zone(table: exp.Table, databases: dict[str, str]) -> bool:
    in_catalog = table.catalog.lower() in {"", _CATALOG}
    return in_catalog and (table.db.lower() or databases["processed"]) in databases.values()


def _span(parts: list[exp.Expr]) -> tuple[int, int]:
    """Return the start and the end of a qualified name in the query."""
    return parts[0].meta["start"], parts[-1].meta["end"] + 1


def _rows(sql: str, table: exp.Table, last: int, databases: dict[str, str]) -> str:
    """Return the subquery of the rows of `table` up to the batch `last`, under the name that `table` has in `sql`."""
    name, database = table.name.lower(), table.db.lower()
    if database not in {"", databases["processed"]}:
        raise NotAskedAsOfError(
            f"{database}.{name} cannot be queried as of an earlier batch: its rows have no batch number. Query the "
            "star tables and their views, or list the versions of a record with: totelake history TABLE KEY"
        )
    if not (star := STAR_TABLES.get(name) or _VIEWS.get(name)):
        raise NotAskedAsOfError(
            f"{name} cannot be queried as of an earlier batch: it is neither a star table nor the view current_… of "
            "one. List them with: totelake tables"
        )
    rows = versions_in_athena(star, databases["processed"], last)
    if name in _VIEWS:
        rows = query_in_athena(star, rows)
    if table.alias:
        return f"({rows})"
    start, end = _span(table.parts[-1:])
    return f"({rows}) AS {sql[start:end]}"

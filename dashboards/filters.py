"""Filters, applied to the rows that a query reads and not to its result.

Queries read the `current_…` views. For a filter, a common table expression with the name of the view and its matching
rows is put before the unchanged query, which then reads the expression instead of the view.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import sqlglot
from sqlglot import exp

from totelake.tables import STAR_TABLES
from totelake.warehouse.names import SCHEMA, current_view

_DIALECT = "postgres"
_DATES = {"fact_sales_order": "created_date", "fact_purchase_order": "created_date", "fact_payment": "payment_date"}
_FACTS = {current_view(STAR_TABLES[name]): column for name, column in _DATES.items()}


@dataclass(frozen=True, slots=True)
class Filters:
    """The selected filters; None does not filter, and an empty sequence matches no row.

    The range from `since` to `until` is inclusive; its days are those of orders, or the due days of payments.
    """

    since: date | None = None
    until: date | None = None
    currencies: Sequence[str] | None = None
    designs: Sequence[str] | None = None


@dataclass(frozen=True, slots=True)
class FilteredQuery:
    """A query with numbered placeholders ($1, $2, …) and the `parameters` in their order."""

    query: str
    parameters: tuple[object, ...]


def filtered(query: str, filters: Filters) -> FilteredQuery:
    """Return `query` over the rows of the facts that match `filters`."""
    tree = sqlglot.parse_one(query, read=_DIALECT)
    parameters: list[object] = []
    tables = {table.name for table in tree.find_all(exp.Table)}
    expressions = [_filtered_view(view, filters, parameters) for view in _FACTS if view in tables]
    if not (expressions := [expression for expression in expressions if expression is not None]):
        return FilteredQuery(query, ())
    existing = tree.args.get("with_")
    tree.set("with_", exp.With(expressions=[*expressions, *(existing.expressions if existing else [])]))
    return FilteredQuery(tree.sql(_DIALECT), tuple(parameters))


def qualified(query: str) -> str:
    """Return `query` with the warehouse's schema before each table, for a session that searches only `pg_catalog`.

    In other schemas, roles that may create functions and operators could have the session call theirs.
    """
    tree = sqlglot.parse_one(query, read=_DIALECT)
    expressions = {expression.alias for expression in tree.find_all(exp.CTE)}
    for table in tree.find_all(exp.Table):
        if not table.db and table.name not in expressions:
            table.set("db", exp.to_identifier(SCHEMA))
    return tree.sql(_DIALECT)


def _filtered_view(view: str, filters: Filters, parameters: list[object]) -> exp.CTE | None:
    """Return the common table expression that replaces `view`, or None if no filter applies to it."""
    conditions = list(_conditions(view, filters, parameters))
    if not conditions:
        return None
    rows = exp.select("*").from_(exp.table_(view, db=SCHEMA)).where(*conditions)
    return exp.CTE(this=rows, alias=exp.TableAlias(this=exp.to_identifier(view)))


def _conditions(view: str, filters: Filters, parameters: list[object]) -> list[exp.Expression]:
    conditions: list[exp.Expression] = []
    day = exp.column(_FACTS[view])
    if filters.since is not None:
        conditions.append(exp.GTE(this=day.copy(), expression=_placeholder(filters.since, parameters)))
    if filters.until is not None:
        conditions.append(exp.LTE(this=day.copy(), expression=_placeholder(filters.until, parameters)))
    if filters.currencies is not None:
        conditions.append(_one_of("currency", "currency_code", filters.currencies, parameters))
    if filters.designs is not None and view == current_view(STAR_TABLES["fact_sales_order"]):
        conditions.append(_one_of("design", "design_name", filters.designs, parameters))
    return conditions


def _one_of(dimension: str, column: str, names: Sequence[str], parameters: list[object]) -> exp.Expression:
    """Return the condition that a fact's `dimension` has one of `names` in `column`."""
    values = exp.Any(this=exp.Paren(this=_placeholder(list(names), parameters)))
    table = exp.table_(current_view(STAR_TABLES[f"dim_{dimension}"]), db=SCHEMA)
    keys = exp.select(f"{dimension}_id").from_(table).where(exp.EQ(this=exp.column(column), expression=values))
    return exp.In(this=exp.column(f"{dimension}_id"), query=keys.subquery())


def _placeholder(value: object, parameters: list[object]) -> exp.Expression:
    """Append `value` to the parameters and return its placeholder, so that it is never part of the query's text."""
    parameters.append(value)
    return exp.Parameter(this=exp.Literal.number(len(parameters)))

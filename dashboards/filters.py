"""Filters, applied to the rows that a question reads and not to its answer.

A question reads the `current_…` views. Where a filter is set, a common table expression of the same name with the rows
that pass it stands in front of the query, which reads that one instead and stays as it is.
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
    """What a reader wants to see; None is no limit, and a sequence without a value lets nothing pass.

    Both days of the time range belong to it: days on which orders were placed, or on which payments fall due.
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
    """Return `query` over the rows of the facts that pass `filters`."""
    tree = sqlglot.parse_one(query, read=_DIALECT)
    parameters: list[object] = []
    read = {table.name for table in tree.find_all(exp.Table)}
    shadows = [_shadow(view, filters, parameters) for view in _FACTS if view in read]
    if not (shadows := [shadow for shadow in shadows if shadow is not None]):
        return FilteredQuery(query, ())
    own = tree.args.get("with_")
    tree.set("with_", exp.With(expressions=[*shadows, *(own.expressions if own else [])]))
    return FilteredQuery(tree.sql(_DIALECT), tuple(parameters))


def _shadow(view: str, filters: Filters, parameters: list[object]) -> exp.CTE | None:
    """Return the expression that takes the place of `view`, None where nothing limits its rows."""
    conditions = list(_conditions(view, filters, parameters))
    if not conditions:
        return None
    rows = exp.select("*").from_(exp.table_(view, db=SCHEMA)).where(*conditions)
    return exp.CTE(this=rows, alias=exp.TableAlias(this=exp.to_identifier(view)))


def _conditions(view: str, filters: Filters, parameters: list[object]) -> list[exp.Expression]:
    found: list[exp.Expression] = []
    day = exp.column(_FACTS[view])
    if filters.since is not None:
        found.append(exp.GTE(this=day.copy(), expression=_bound(filters.since, parameters)))
    if filters.until is not None:
        found.append(exp.LTE(this=day.copy(), expression=_bound(filters.until, parameters)))
    if filters.currencies is not None:
        found.append(_named("currency", "currency_code", filters.currencies, parameters))
    if filters.designs is not None and view == current_view(STAR_TABLES["fact_sales_order"]):
        found.append(_named("design", "design_name", filters.designs, parameters))
    return found


def _named(dimension: str, column: str, names: Sequence[str], parameters: list[object]) -> exp.Expression:
    """Return the condition that a fact's `dimension` has one of `names` in `column`."""
    wanted = exp.EQ(this=exp.column(column), expression=exp.Any(this=exp.Paren(this=_bound(list(names), parameters))))
    table = exp.table_(current_view(STAR_TABLES[f"dim_{dimension}"]), db=SCHEMA)
    keys = exp.select(f"{dimension}_id").from_(table).where(wanted)
    return exp.In(this=exp.column(f"{dimension}_id"), query=keys.subquery())


def _bound(value: object, parameters: list[object]) -> exp.Expression:
    """Return a placeholder for `value`, which is never part of the query's text."""
    parameters.append(value)
    return exp.Parameter(this=exp.Literal.number(len(parameters)))

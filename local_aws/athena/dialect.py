"""Athena's SQL in DuckDB's words, where what sqlglot says is not all there is to say."""

from sqlglot import exp

_UNNAMED = "_col?"
_DATE_ARITHMETIC = (exp.DateTrunc, exp.TimestampTrunc, exp.DateAdd)


def for_duckdb(query: exp.Expr) -> exp.Expr:
    """Return `query`, which is changed by it, as it means in DuckDB what it means in Athena."""
    for select in _innermost_first(query, exp.Select):
        _name_columns(select)
    for node in _innermost_first(query, *_DATE_ARITHMETIC, exp.Add, exp.Sub):
        if moment := _moment(node):
            # To DuckDB a date that something was added to is a timestamp; in Trino it stays a date.
            node.replace(exp.Anonymous(this="cast_to_type", expressions=[node.copy(), moment.copy()]))
    return query


def name_of(column: str, place: int) -> str:
    """Return what Athena calls a column of a result that DuckDB calls `column`, at a place from 0."""
    return f"_col{place}" if column.startswith(_UNNAMED) else column.lower()


def _innermost_first[E: exp.Expr](query: exp.Expr, *kinds: type[E]) -> list[E]:
    return list(reversed([*query.find_all(*kinds)]))


def _name_columns(select: exp.Select) -> None:
    """Mark what is computed without a name: Trino numbers it, DuckDB would call it by its expression."""
    for place, column in enumerate(select.expressions):
        if not isinstance(column, exp.Alias | exp.Column) and not column.is_star:
            column.replace(exp.alias_(column.copy(), f"{_UNNAMED}{place}", quoted=True))


def _moment(node: exp.Expr) -> exp.Expr | None:
    """Return what `node` truncates or shifts, which is a date or a timestamp; None where it computes something else."""
    if isinstance(node, _DATE_ARITHMETIC):
        moment: exp.Expr = node.this
        return moment
    sides = (node.this, node.expression)
    others = [side for side in sides if not isinstance(side, exp.Interval)]
    return others[0] if len(others) == 1 else None

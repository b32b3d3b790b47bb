"""Translation of Athena's SQL to DuckDB, in addition to sqlglot's."""

from sqlglot import exp

_UNNAMED = "_col?"
_DATE_ARITHMETIC = (exp.DateTrunc, exp.TimestampTrunc, exp.DateAdd)


def for_duckdb(query: exp.Expr) -> exp.Expr:
    """Change `query` in place so that it has the same meaning in DuckDB as in Athena; return it."""
    for select in _innermost_first(query, exp.Select):
        _name_columns(select)
    for node in _innermost_first(query, *_DATE_ARITHMETIC, exp.Add, exp.Sub):
        if operand := _date_operand(node):
            # In DuckDB the sum of a date and an interval is a timestamp; in Trino it is a date.
            node.replace(exp.Anonymous(this="cast_to_type", expressions=[node.copy(), operand.copy()]))
    return query


def column_name(column: str, index: int) -> str:
    """Return Athena's name of the result column that DuckDB calls `column`, at an index from 0."""
    return f"_col{index}" if column.startswith(_UNNAMED) else column.lower()


def _innermost_first[E: exp.Expr](query: exp.Expr, *kinds: type[E]) -> list[E]:
    return list(reversed([*query.find_all(*kinds)]))


def _name_columns(select: exp.Select) -> None:
    """Add an alias to unnamed expressions: Trino numbers them, DuckDB would name them by their text."""
    for index, column in enumerate(select.expressions):
        if not isinstance(column, exp.Alias | exp.Column) and not column.is_star:
            column.replace(exp.alias_(column.copy(), f"{_UNNAMED}{index}", quoted=True))


def _date_operand(node: exp.Expr) -> exp.Expr | None:
    """Return the date or timestamp that `node` truncates or shifts; None for other computations."""
    if isinstance(node, _DATE_ARITHMETIC):
        operand: exp.Expr = node.this
        return operand
    operands = (node.this, node.expression)
    others = [operand for operand in operands if not isinstance(operand, exp.Interval)]
    return others[0] if len(others) == 1 else None

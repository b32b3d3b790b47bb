"""Mermaid entity-relationship diagrams of totesys and of the stars, with keys and few other columns."""

from collections.abc import Iterable

from totelake.tables import SOURCE_TABLES, STAR_TABLES, Column, SourceTable, StarTable

_SHOWN_ATTRIBUTES = 2


def totesys() -> str:
    """Return the diagram of the source: its tables with their keys."""
    tables = SOURCE_TABLES.values()
    lines = [line for table in tables for line in _entity(table, _keys(table))]
    return _diagram([*lines, *(line for table in tables for line in _relations(table))])


def star(fact: StarTable) -> str:
    """Return the diagram of a fact with its keys and measures, and of its dimensions with their first attributes."""
    measures = [column for column in fact.columns if column.between]
    dimensions = dict.fromkeys(column.references for column in fact.columns if column.references)
    lines = _entity(fact, [*_keys(fact), *measures])
    for dimension in (STAR_TABLES[name] for name in dimensions):
        attributes = dimension.columns[len(dimension.key) :][:_SHOWN_ATTRIBUTES]
        lines += _entity(dimension, [*_keys(dimension), *attributes])
    return _diagram([*lines, *_relations(fact)])


def _diagram(lines: Iterable[str]) -> str:
    return "\n".join(["```mermaid", "erDiagram", *(f"    {line}" for line in lines), "```"])


def _entity(table: SourceTable | StarTable, columns: Iterable[Column]) -> list[str]:
    return [f"{table.name} {{", *(f"    {_attribute(table, column)}" for column in columns), "}"]


def _attribute(table: SourceTable | StarTable, column: Column) -> str:
    # Mermaid allows no space and no comma in a type.
    kind = column.type.postgres.partition("(")[0]
    key = "PK" if column.name in table.key else "FK" if column.references else ""
    return f"{kind} {column.name} {key}".rstrip()


def _keys(table: SourceTable | StarTable) -> list[Column]:
    columns = table.warehouse_columns if isinstance(table, StarTable) else table.columns
    return [column for column in columns if column.name in table.key or column.references]


def _relations(table: SourceTable | StarTable) -> list[str]:
    """Return one line for each table that `table` references, with the foreign keys."""
    by_target: dict[tuple[str, bool], list[str]] = {}
    for column in table.columns:
        if column.references:
            by_target.setdefault((column.references, column.nullable), []).append(column.name)
    return [
        f'{target} {"|o" if nullable else "||"}--o{{ {table.name} : "{", ".join(names)}"'
        for (target, nullable), names in by_target.items()
    ]

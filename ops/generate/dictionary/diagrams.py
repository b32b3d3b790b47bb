"""Diagrams of totesys and of the stars in Mermaid, as GitHub draws them: the keys, and few columns beside them."""

from collections.abc import Iterable

from totelake.tables import SOURCE_TABLES, STAR_TABLES, Column, SourceTable, StarTable

_TOLD = 2


def totesys() -> str:
    """Return the diagram of the source: its tables with their keys."""
    tables = SOURCE_TABLES.values()
    lines = [line for table in tables for line in _entity(table, _keys(table))]
    return _diagram([*lines, *(line for table in tables for line in _relations(table))])


def star(fact: StarTable) -> str:
    """Return the diagram of a fact: its keys and measures, and the dimensions around it with what they tell first."""
    measures = [column for column in fact.columns if column.between]
    around = dict.fromkeys(column.references for column in fact.columns if column.references)
    lines = _entity(fact, [*_keys(fact), *measures])
    for dimension in (STAR_TABLES[name] for name in around):
        lines += _entity(dimension, [*_keys(dimension), *dimension.columns[len(dimension.key) :][:_TOLD]])
    return _diagram([*lines, *_relations(fact)])


def _diagram(lines: Iterable[str]) -> str:
    return "\n".join(["```mermaid", "erDiagram", *(f"    {line}" for line in lines), "```"])


def _entity(table: SourceTable | StarTable, columns: Iterable[Column]) -> list[str]:
    return [f"{table.name} {{", *(f"    {_attribute(table, column)}" for column in columns), "}"]


def _attribute(table: SourceTable | StarTable, column: Column) -> str:
    # Mermaid takes no blank and no comma in a type.
    kind = column.type.postgres.partition("(")[0]
    key = "PK" if column.name in table.key else "FK" if column.references else ""
    return f"{kind} {column.name} {key}".rstrip()


def _keys(table: SourceTable | StarTable) -> list[Column]:
    columns = table.warehouse_columns if isinstance(table, StarTable) else table.columns
    return [column for column in columns if column.name in table.key or column.references]


def _relations(table: SourceTable | StarTable) -> list[str]:
    """Return one line for each table that `table` refers to, with the columns that do."""
    by_target: dict[tuple[str, bool], list[str]] = {}
    for column in table.columns:
        if column.references:
            by_target.setdefault((column.references, column.nullable), []).append(column.name)
    return [
        f'{target} {"|o" if nullable else "||"}--o{{ {table.name} : "{", ".join(names)}"'
        for (target, nullable), names in by_target.items()
    ]

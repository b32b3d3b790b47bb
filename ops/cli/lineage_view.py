"""The lineage of a column, on the screen and as JSON."""

from typing import Any

from rich.table import Table

from ops.cli.screen import console, print_json
from totelake.tables import lineage
from totelake.tables.lineage import Lineage, SourceColumn


def show(name: str, *, as_json: bool) -> None:
    """Print the lineage of every column of that name, in totesys and in the stars; raise `UnknownColumnError`."""
    source_columns, star_columns = lineage.find(name)
    columns = [*map(_source_column, source_columns), *map(_star_column, star_columns)]
    if as_json:
        print_json(columns)
        return
    for column in columns:
        console.print(_table(column))


def _star_column(traced: Lineage) -> dict[str, Any]:
    column = traced.star.column
    is_surrogate = column.name == traced.star.table.surrogate
    return {
        "column": traced.star.name,
        "description": column.description,
        "from": traced.origin.name if traced.origin else None,
        "through": [place.name for place in traced.through],
        "how": traced.how,
        "types": {
            "totesys": traced.origin.column.type.source if traced.origin else None,
            "ingested": traced.origin.column.type.hive if traced.origin else None,
            "processed": None if is_surrogate else column.type.hive,
            "warehouse": column.type.postgres,
            "redshift": column.type.redshift,
        },
        "nullable": column.nullable,
        "references": column.references,
        "rules": traced.rules,
    }


def _source_column(source: SourceColumn) -> dict[str, Any]:
    column = source.column
    return {
        "column": source.name,
        "description": column.description,
        "shows_in": {traced.star.name: _use(source, traced) for traced in lineage.dependents(source)},
        "types": {"totesys": column.type.source, "ingested": column.type.hive},
        "nullable": column.nullable,
        "references": column.references,
        "rules": lineage.rules_of_reference(source),
    }


def _use(source: SourceColumn, traced: Lineage) -> str:
    origin, *_ = traced.sources
    return traced.how if source == origin else f"joins to {origin.name}"


def _table(column: dict[str, Any]) -> Table:
    table = Table(title=column["column"], caption=column["description"], show_header=False)
    table.title_justify = table.caption_justify = "left"
    table.title_style = "bold"
    for heading, text in _rows(column).items():
        table.add_row(heading, text)
    return table


def _rows(column: dict[str, Any]) -> dict[str, str]:
    """Return the rows of a column's table, by their headings."""
    rows = {}
    if "shows_in" in column:
        uses = [f"{name}: {use}" for name, use in column["shows_in"].items()]
        rows["used in"] = "\n".join(uses) or "no star: it stays in the ingested zone"
    else:
        rows["from"] = column["from"] or "no column of totesys"
        rows["transformation"] = column["how"]
    rows |= {f"type in {place}": kind for place, kind in column["types"].items() if kind}
    rows["nullable"] = "yes" if column["nullable"] else "no"
    if column["references"]:
        rows["references"] = column["references"]
    if column.get("rules"):
        rows["rules"] = "\n".join(f"{rule}: {requirement}" for rule, requirement in column["rules"].items())
    return rows

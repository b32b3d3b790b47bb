"""Where a column comes from and where it goes, on the screen and for programs."""

from typing import Any

from rich.table import Table

from ops.cli.screen import console, print_json
from totelake.tables import lineage
from totelake.tables.lineage import Lineage, SourceColumn


def show(name: str, *, as_json: bool) -> None:
    """Print the columns that are called `name`, as they are in totesys and in the stars.

    Raises `UnknownColumnError`.
    """
    sources, stars = lineage.find(name)
    told = [*map(_of_source, sources), *map(_of_star, stars)]
    if as_json:
        print_json(told)
        return
    for column in told:
        console.print(_table(column))


def _of_star(found: Lineage) -> dict[str, Any]:
    column = found.star.column
    is_numbered = column.name == found.star.table.surrogate
    return {
        "column": found.star.name,
        "description": column.description,
        "from": found.origin.name if found.origin else None,
        "through": [place.name for place in found.through],
        "how": found.how,
        "types": {
            "totesys": found.origin.column.type.source if found.origin else None,
            "ingested": found.origin.column.type.hive if found.origin else None,
            "processed": None if is_numbered else column.type.hive,
            "warehouse": column.type.postgres,
            "redshift": column.type.redshift,
        },
        "nullable": column.nullable,
        "references": column.references,
        "rules": found.rules,
    }


def _of_source(place: SourceColumn) -> dict[str, Any]:
    column = place.column
    return {
        "column": place.name,
        "description": column.description,
        "shows_in": {found.star.name: _use(place, found) for found in lineage.shown_in(place)},
        "types": {"totesys": column.type.source, "ingested": column.type.hive},
        "nullable": column.nullable,
        "references": column.references,
        "rules": lineage.rules_of_reference(place),
    }


def _use(place: SourceColumn, found: Lineage) -> str:
    shown, *_ = found.sources
    return found.how if place == shown else f"leads to {shown.name}"


def _table(told: dict[str, Any]) -> Table:
    shown = Table(title=told["column"], caption=told["description"], show_header=False)
    shown.title_justify = shown.caption_justify = "left"
    shown.title_style = "bold"
    for what, said in _lines(told).items():
        shown.add_row(what, said)
    return shown


def _lines(told: dict[str, Any]) -> dict[str, str]:
    """Return what is shown of a column, each line with its heading."""
    lines = {}
    if "shows_in" in told:
        shows = [f"{name}: {use}" for name, use in told["shows_in"].items()]
        lines["shows in"] = "\n".join(shows) or "no star: it stays in the ingested zone"
    else:
        lines["from"] = told["from"] or "no column of totesys"
        lines["how"] = told["how"]
    lines |= {f"type in {place}": kind for place, kind in told["types"].items() if kind}
    lines["may be NULL"] = "yes" if told["nullable"] else "no"
    if told["references"]:
        lines["refers to"] = told["references"]
    if told.get("rules"):
        lines["rules"] = "\n".join(f"{rule}: {demanded}" for rule, demanded in told["rules"].items())
    return lines

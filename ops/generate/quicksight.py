"""terraform/questions.json: the business questions and their visuals in QuickSight, for Terraform."""

import json
from dataclasses import asdict

import duckdb

from dashboards.questions import QUERIES, read
from ops.generate.visuals import CURRENCY, VISUALS, Visual
from totelake.tables import STAR_TABLES, StarTable
from totelake.tables.model import DELETED_AT
from totelake.warehouse.names import current_view

_TYPES = {"DATE": "DATETIME", "VARCHAR": "STRING", "INTEGER": "INTEGER", "BIGINT": "INTEGER", "HUGEINT": "INTEGER"}


class VisualError(ValueError):
    """A question has no visual, or its visual does not match its columns."""


def terraform_input() -> str:
    """Return the questions, their columns and their visuals as JSON."""
    if missing := _without_visual():
        raise VisualError(f"{', '.join(sorted(missing))} has no visual: declare one in ops/generate/visuals.py.")
    with duckdb.connect() as lake:
        for table in STAR_TABLES.values():
            lake.execute(_empty_view(table))
        questions = [
            _question(lake, page, name, visual) for page, visuals in VISUALS.items() for name, visual in visuals.items()
        ]
    return json.dumps(questions, indent=2) + "\n"


def check(name: str, visual: Visual, columns: dict[str, str]) -> None:
    """Raise `VisualError` when a visual names an unknown column, or sums amounts of different currencies."""
    used = {*visual.dimensions, *visual.values, *(order.column for order in visual.order)}
    if unknown := used - columns.keys():
        raise VisualError(f"The visual of {name} uses {', '.join(sorted(unknown))}, which its query does not return.")
    amounts = {column for column, kind in columns.items() if kind == "DECIMAL"}
    if (summed := amounts & visual.values.keys()) and CURRENCY not in visual.dimensions:
        raise VisualError(f"The visual of {name} sums {', '.join(summed)} over currencies: group it by {CURRENCY}.")
    sorted_by = {order.column for order in visual.order}
    if visual.kind == "table":
        if hidden := sorted_by - {*visual.groups, *visual.values}:
            raise VisualError(f"The visual of {name} is sorted by {', '.join(hidden)}, which it does not show.")
    elif summed := amounts & sorted_by:
        raise VisualError(f"The visual of {name} sums {', '.join(summed)} over currencies to sort: sort by a quantity.")


def _without_visual() -> set[str]:
    questions = {f"{path.parent.name}/{path.stem}" for path in QUERIES.glob("*/*.sql")}
    return questions - {f"{page}/{name}" for page, visuals in VISUALS.items() for name in visuals}


def _empty_view(table: StarTable) -> str:
    columns = (column for column in table.stored_columns if column != DELETED_AT)
    declared = ", ".join(f'"{column.name}" {column.type.hive}' for column in columns)
    return f'CREATE TABLE "{current_view(table)}" ({declared})'


def _question(lake: duckdb.DuckDBPyConnection, page: str, name: str, visual: Visual) -> dict[str, object]:
    """Return a question with its columns, whose types DuckDB derives from the declared tables."""
    question = read(page, name)
    described = lake.execute(f"DESCRIBE {question.query}").fetchall()
    columns = {column: _quicksight_type(duckdb_type) for column, duckdb_type, *_ in described}
    check(f"{page}/{name}", visual, columns)
    return {
        "page": page,
        "name": name,
        "question": question.title,
        "notes": " ".join(filter(None, (question.notes, visual.note))),
        "columns": [{"name": column, "type": kind} for column, kind in columns.items()],
        "visual": _visual(visual),
    }


def _visual(visual: Visual) -> dict[str, object]:
    values = [{"column": column, "aggregation": aggregation} for column, aggregation in visual.values.items()]
    return {key: value for key, value in asdict(visual).items() if key != "note"} | {"values": values}


def _quicksight_type(duckdb_type: str) -> str:
    return "DECIMAL" if duckdb_type.startswith("DECIMAL") else _TYPES[duckdb_type]

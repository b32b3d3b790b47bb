"""terraform/tables.json: the catalog's databases, tables and views, for Terraform."""

import json
from collections.abc import Iterable

from totelake.lake.zones import DISCOVERED_DATABASE, INGESTED, PROCESSED
from totelake.tables import SOURCE_TABLES, STAR_TABLES, Column, SourceTable, StarTable
from totelake.warehouse import current_views
from totelake.warehouse.names import current_view


def terraform_input() -> str:
    """Return the catalog's databases, tables and views as JSON."""
    declared = {
        "databases": {
            "ingested": {"name": INGESTED.database, "description": INGESTED.description},
            "processed": {"name": PROCESSED.database, "description": PROCESSED.description},
            "discovered": {
                "name": DISCOVERED_DATABASE,
                "description": "Tables that the crawler discovers in the ingested zone.",
            },
        },
        "tables": {
            "ingested": {name: _table(table) for name, table in SOURCE_TABLES.items()},
            "processed": {name: _table(table) for name, table in STAR_TABLES.items()},
        },
        "views": {"processed": {current_view(table): _view(table) for table in STAR_TABLES.values()}},
    }
    return json.dumps(declared, indent=2) + "\n"


def _table(table: SourceTable | StarTable) -> dict[str, object]:
    return {
        "description": table.grain,
        "columns": _columns(table.stored_columns),
        "partition_keys": _columns(table.partition_columns),
    }


def _view(table: StarTable) -> dict[str, object]:
    view_columns = current_views.columns_in_athena(table)
    columns = [
        described | {"presto_type": column.type.presto}
        for column, described in zip(view_columns, _columns(view_columns), strict=True)
    ]
    query = current_views.query_in_athena(table)
    return {"description": f"Current rows of {table.name}.", "columns": columns, "query": query}


def _columns(columns: Iterable[Column]) -> list[dict[str, str]]:
    return [{"name": column.name, "type": column.type.hive, "comment": column.description} for column in columns]

"""Write what Terraform needs to know of the tables: `python -m totelake.tables > terraform/tables.json`."""

import json
import sys
from collections.abc import Iterable

from totelake.tables import SOURCE_TABLES, STAR_TABLES, Column, SourceTable, StarTable
from totelake.zones import DISCOVERED_DATABASE, INGESTED, PROCESSED


def terraform_input() -> str:
    """Return the catalog's databases and tables as the JSON text that Terraform reads."""
    declared = {
        "databases": {
            "ingested": {"name": INGESTED.database, "description": INGESTED.description},
            "processed": {"name": PROCESSED.database, "description": PROCESSED.description},
            "discovered": {"name": DISCOVERED_DATABASE, "description": "What the crawler finds in the ingested zone."},
        },
        "tables": {
            "ingested": {name: _table(table) for name, table in SOURCE_TABLES.items()},
            "processed": {name: _table(table) for name, table in STAR_TABLES.items()},
        },
    }
    return json.dumps(declared, indent=2) + "\n"


def _table(table: SourceTable | StarTable) -> dict[str, object]:
    return {
        "description": table.grain,
        "columns": _columns(table.stored_columns),
        "partition_keys": _columns(table.partition_columns),
    }


def _columns(columns: Iterable[Column]) -> list[dict[str, str]]:
    return [{"name": column.name, "type": column.type.hive, "comment": column.description} for column in columns]


if __name__ == "__main__":
    sys.stdout.write(terraform_input())

"""Write what Terraform needs to know of the tables: `python -m totelake.tables > terraform/tables.json`."""

import json
import sys
from collections.abc import Iterable

from totelake.tables import BATCH_ID, RAW_LINEAGE, SOURCE_TABLES, STAR_TABLES, Column
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
            "ingested": {
                table.name: _table(table.grain, (*table.columns, *RAW_LINEAGE), [BATCH_ID])
                for table in SOURCE_TABLES.values()
            },
            "processed": {
                table.name: _table(table.grain, table.stored_columns, table.partition_columns)
                for table in STAR_TABLES.values()
            },
        },
    }
    return json.dumps(declared, indent=2) + "\n"


def _table(grain: str, columns: Iterable[Column], partitions: Iterable[Column]) -> dict[str, object]:
    return {"description": grain, "columns": _columns(columns), "partition_keys": _columns(partitions)}


def _columns(columns: Iterable[Column]) -> list[dict[str, str]]:
    return [{"name": column.name, "type": column.type.hive, "comment": column.description} for column in columns]


if __name__ == "__main__":
    sys.stdout.write(terraform_input())

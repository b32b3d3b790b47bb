"""What Athena tells of databases and tables: what is in the Glue catalog, for clients that do not ask Glue itself."""

import re
from collections.abc import Callable
from typing import Any

from moto.athena.responses import AthenaResponse
from moto.core.exceptions import JsonRESTError
from moto.core.responses import ActionResult

from local_aws.athena import paging
from local_aws.athena.catalog import NAME, VIEW, Catalog, Relation
from local_aws.athena.errors import QueryError, refused

type CatalogOf = Callable[[AthenaResponse], Catalog]
"""Returns the catalog of the account and region that a request is for."""


def install(catalog_of: CatalogOf) -> None:
    """Put the operations in the place of moto's, which knows databases of its own and no tables."""

    def opened(response: AthenaResponse) -> Catalog:
        name = response._get_param("CatalogName")  # noqa: SLF001 - moto's way
        if name.lower() != NAME:
            raise refused(f"DataCatalog {name} was not found")
        return catalog_of(response)

    def list_databases(response: AthenaResponse) -> ActionResult:
        found = [{"Name": name} for name in opened(response).databases()]
        return ActionResult(paging.page(response, "DatabaseList", found))

    def get_database(response: AthenaResponse) -> ActionResult:
        name = response._get_param("DatabaseName")  # noqa: SLF001
        if not opened(response).has(name):
            raise _missing(f"Database {name} not found.")
        return ActionResult({"Database": {"Name": name.lower()}})

    def list_table_metadata(response: AthenaResponse) -> ActionResult:
        database, wanted = response._get_param("DatabaseName"), response._get_param("Expression")  # noqa: SLF001
        try:
            relations = opened(response).relations(database)
        except QueryError as error:
            raise _missing(f"Database {database} not found.") from error
        found = [_described(each) for each in relations if not wanted or re.fullmatch(wanted, each.name)]
        return ActionResult(paging.page(response, "TableMetadataList", found))

    def get_table_metadata(response: AthenaResponse) -> ActionResult:
        database, name = response._get_param("DatabaseName"), response._get_param("TableName")  # noqa: SLF001
        relation = opened(response).relation(database, name)
        if relation is None:
            raise _missing(f"Table {name} not found.")
        return ActionResult({"TableMetadata": _described(relation)})

    AthenaResponse.list_databases = list_databases
    AthenaResponse.get_database = get_database
    AthenaResponse.list_table_metadata = list_table_metadata
    AthenaResponse.get_table_metadata = get_table_metadata


def _missing(message: str) -> JsonRESTError:
    return JsonRESTError("MetadataException", f"EntityNotFoundException: {message}")


def _described(relation: Relation) -> dict[str, Any]:
    def told(columns: dict[str, str]) -> list[dict[str, str]]:
        return [
            {"Name": name, "Type": kind, "Comment": relation.comments.get(name) or ""} for name, kind in columns.items()
        ]

    return {
        "Name": relation.name,
        "TableType": VIEW if relation.view is not None else "EXTERNAL_TABLE",
        "Columns": told(relation.columns),
        "PartitionKeys": told(relation.keys),
    }

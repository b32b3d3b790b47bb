"""Athena's metadata operations: databases and tables of the Glue catalog, for clients that do not call Glue."""

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
"""Returns the catalog for the account and region of a request."""


def install(catalog_of: CatalogOf) -> None:
    """Replace moto's operations, which have databases of their own and no tables."""

    def catalog(response: AthenaResponse) -> Catalog:
        name = response._get_param("CatalogName")  # noqa: SLF001 - moto's way
        if name.lower() != NAME:
            raise refused(f"DataCatalog {name} was not found")
        return catalog_of(response)

    def list_databases(response: AthenaResponse) -> ActionResult:
        databases = [{"Name": name} for name in catalog(response).databases()]
        return ActionResult(paging.page(response, "DatabaseList", databases))

    def get_database(response: AthenaResponse) -> ActionResult:
        name = response._get_param("DatabaseName")  # noqa: SLF001
        if not catalog(response).has(name):
            raise _not_found(f"Database {name} not found.")
        return ActionResult({"Database": {"Name": name.lower()}})

    def list_table_metadata(response: AthenaResponse) -> ActionResult:
        database, pattern = response._get_param("DatabaseName"), response._get_param("Expression")  # noqa: SLF001
        try:
            relations = catalog(response).relations(database)
        except QueryError as error:
            raise _not_found(f"Database {database} not found.") from error
        tables = [_table_metadata(each) for each in relations if not pattern or re.fullmatch(pattern, each.name)]
        return ActionResult(paging.page(response, "TableMetadataList", tables))

    def get_table_metadata(response: AthenaResponse) -> ActionResult:
        database, name = response._get_param("DatabaseName"), response._get_param("TableName")  # noqa: SLF001
        relation = catalog(response).relation(database, name)
        if relation is None:
            raise _not_found(f"Table {name} not found.")
        return ActionResult({"TableMetadata": _table_metadata(relation)})

    AthenaResponse.list_databases = list_databases
    AthenaResponse.get_database = get_database
    AthenaResponse.list_table_metadata = list_table_metadata
    AthenaResponse.get_table_metadata = get_table_metadata


def _not_found(message: str) -> JsonRESTError:
    return JsonRESTError("MetadataException", f"EntityNotFoundException: {message}")


def _table_metadata(relation: Relation) -> dict[str, Any]:
    def column_list(columns: dict[str, str]) -> list[dict[str, str]]:
        return [
            {"Name": name, "Type": type_, "Comment": relation.comments.get(name) or ""}
            for name, type_ in columns.items()
        ]

    return {
        "Name": relation.name,
        "TableType": VIEW if relation.view is not None else "EXTERNAL_TABLE",
        "Columns": column_list(relation.columns),
        "PartitionKeys": column_list(relation.keys),
    }

"""Athena's metadata operations: databases and tables of the Glue catalog, for clients that do not call Glue."""

import re
from typing import Any, override

from moto.athena.responses import AthenaResponse
from moto.core.exceptions import JsonRESTError
from moto.core.responses import ActionResult

from local_aws.athena import paging
from local_aws.athena.catalog import NAME, VIEW, QueryCatalog, QueryRelation
from local_aws.athena.errors import QueryError, refused


class MetadataResponse(AthenaResponse):  # type: ignore[misc] # moto is not typed
    """The operations on databases and tables, which moto keeps apart from the Glue catalog."""

    def _catalog(self) -> QueryCatalog:
        name = self._get_param("CatalogName")
        if name.lower() != NAME:
            raise refused(f"DataCatalog {name} was not found")
        return QueryCatalog(self.current_account, self.region)

    @override
    def list_databases(self) -> ActionResult:
        """Handle ListDatabases."""
        databases = [{"Name": name} for name in self._catalog().databases()]
        return ActionResult(paging.page(self, "DatabaseList", databases))

    @override
    def get_database(self) -> ActionResult:
        """Handle GetDatabase."""
        name = self._get_param("DatabaseName")
        if not self._catalog().has(name):
            raise _not_found(f"Database {name} not found.")
        return ActionResult({"Database": {"Name": name.lower()}})

    def list_table_metadata(self) -> ActionResult:
        """Handle ListTableMetadata."""
        database, pattern = self._get_param("DatabaseName"), self._get_param("Expression")
        try:
            relations = self._catalog().relations(database)
        except QueryError as error:
            raise _not_found(f"Database {database} not found.") from error
        tables = [_table_metadata(each) for each in relations if not pattern or re.fullmatch(pattern, each.name)]
        return ActionResult(paging.page(self, "TableMetadataList", tables))

    def get_table_metadata(self) -> ActionResult:
        """Handle GetTableMetadata."""
        database, name = self._get_param("DatabaseName"), self._get_param("TableName")
        relation = self._catalog().relation(database, name)
        if relation is None:
            raise _not_found(f"Table {name} not found.")
        return ActionResult({"TableMetadata": _table_metadata(relation)})


def _not_found(message: str) -> JsonRESTError:
    return JsonRESTError("MetadataException", f"EntityNotFoundException: {message}")


def _table_metadata(relation: QueryRelation) -> dict[str, Any]:
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

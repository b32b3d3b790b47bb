"""The Glue catalog for queries: databases, tables with the files of their partitions, and views."""

import base64
import binascii
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from moto.glue.exceptions import DatabaseNotFoundException, TableNotFoundException
from moto.glue.models import glue_backends

from local_aws.athena.errors import QueryError
from local_aws.s3.locations import Location, LocationError

NAME = "awsdatacatalog"
VIEW = "VIRTUAL_VIEW"
_PREFIX, _SUFFIX = "/* Presto View: ", " */"

type ColumnTypes = dict[str, str]
"""Hive types of columns, by column name."""


@dataclass(frozen=True, slots=True)
class CatalogPartition:
    """A registered partition: the values of its keys, and the location of its files."""

    values: tuple[str, ...]
    location: str


@dataclass(frozen=True, slots=True)
class QueryRelation:
    """A table or a view of the catalog; `view` is the encoded definition of a view, None for a table."""

    database: str
    name: str
    columns: ColumnTypes
    comments: dict[str, str]
    keys: ColumnTypes
    partitions: tuple[CatalogPartition, ...]
    location: str
    view: str | None

    @property
    def schema(self) -> ColumnTypes:
        """All columns, partition keys last."""
        return self.columns | self.keys

    @property
    def definition(self) -> dict[str, Any]:
        """The definition of a view; raises QueryError when it cannot be decoded."""
        text = (self.view or "").removeprefix(_PREFIX).removesuffix(_SUFFIX)
        try:
            definition: dict[str, Any] = {"schema": self.database, **json.loads(base64.b64decode(text, validate=True))}
        except (binascii.Error, TypeError, ValueError) as error:
            raise QueryError("INVALID_VIEW", f"View '{NAME}.{self.database}.{self.name}': {error}") from error
        return definition


class QueryCatalog:
    """The catalog of one account and region."""

    def __init__(self, account: str, region: str) -> None:
        """Open the catalog."""
        self._backend = glue_backends[account][region]
        self._account = account

    def databases(self) -> list[str]:
        """Return the names of the databases, sorted."""
        return sorted(database.name for database in self._backend.get_databases())

    def has(self, database: str) -> bool:
        """Return whether a database exists."""
        return database.lower() in self.databases()

    def relations(self, database: str) -> list[QueryRelation]:
        """Return the tables and views of a database, sorted by name; raises QueryError for an unknown database."""
        try:
            tables = list(self._backend.get_database(database.lower()).tables.values())
        except DatabaseNotFoundException as error:
            raise QueryError("SCHEMA_NOT_FOUND", f"Schema '{database}' does not exist") from error
        return sorted((_relation(table) for table in tables), key=lambda relation: relation.name)

    def relation(self, database: str, name: str) -> QueryRelation | None:
        """Return a table or a view; None when it does not exist."""
        try:
            return _relation(self._backend.get_table(database.lower(), name.lower()))
        except (DatabaseNotFoundException, TableNotFoundException):
            return None

    def files(self, table: QueryRelation) -> list[Path]:
        """Return the files of a table: in the folders of its registered partitions, or in its own folder.

        Raises QueryError when a folder is not in a bucket.
        """
        if not table.keys:
            return self._files_in(table, table.location)
        files: list[Path] = []
        for partition in table.partitions:
            self._check_location(table, partition)
            files += self._files_in(table, partition.location)
        return files

    def put_view(
        self, database: str, name: str, definition: dict[str, Any], columns: ColumnTypes, *, replace: bool
    ) -> None:
        """Create a view; with `replace`, replace one of the same name. Raises QueryError when the name exists."""
        view = {
            "Name": name,
            "TableType": VIEW,
            "Parameters": {"presto_view": "true", "comment": "Presto View"},
            "ViewOriginalText": encode_view(definition),
            "ViewExpandedText": "/* Presto View */",
            "PartitionKeys": [],
            "StorageDescriptor": {"Columns": [{"Name": name, "Type": kind} for name, kind in columns.items()]},
        }
        existing = self.relation(database, name)
        if existing and (existing.view is None or not replace):
            raise QueryError("TABLE_ALREADY_EXISTS", f"'{NAME}.{database}.{name}' already exists")
        if existing:
            self._backend.update_table(database, name, view)
        else:
            self._backend.create_table(database, name, view)

    def drop_view(self, database: str, name: str) -> None:
        """Delete a view."""
        self._backend.delete_table(database, name)

    def _check_location(self, table: QueryRelation, partition: CatalogPartition) -> None:
        """Raise QueryError unless the partition's folder is named by its values: DuckDB reads them from the name."""
        names = [f"{key}={value}" for key, value in zip(table.keys, partition.values, strict=True)]
        if [unquote(part) for part in partition.location.rstrip("/").split("/")[-len(names) :]] != names:
            raise QueryError(
                "NOT_SUPPORTED",
                f"the location of partition {'/'.join(names)} of {table.database}.{table.name} is "
                f"{partition.location}: locally the folder of a partition must be named by its values",
            )

    def _files_in(self, table: QueryRelation, location: str) -> list[Path]:
        try:
            return list(Location.of(location, self._account).files())
        except LocationError as error:
            raise QueryError("HIVE_FILESYSTEM_ERROR", f"table {table.database}.{table.name}: {error}") from error


def encode_view(definition: dict[str, Any]) -> str:
    """Return the definition of a view as encoded in the catalog."""
    return f"{_PREFIX}{base64.b64encode(json.dumps(definition).encode()).decode()}{_SUFFIX}"


def _relation(table: Any) -> QueryRelation:
    attributes = table.as_dict()
    storage = attributes.get("StorageDescriptor") or {}
    columns = storage.get("Columns") or []
    keys = attributes.get("PartitionKeys") or []
    return QueryRelation(
        table.database_name,
        table.name,
        {column["Name"].lower(): column["Type"] for column in columns},
        {column["Name"].lower(): column.get("Comment", "") for column in [*columns, *keys]},
        {key["Name"].lower(): key["Type"] for key in keys},
        tuple(
            CatalogPartition(tuple(partition.values), partition.partition_input["StorageDescriptor"]["Location"])
            for partition in list(table.partitions.values())
        ),
        storage.get("Location") or "",
        attributes.get("ViewOriginalText", "") if attributes.get("TableType") == VIEW else None,
    )

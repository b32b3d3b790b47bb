"""The Glue catalog as a query sees it: databases, tables with the files of their partitions, and views."""

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

type Columns = dict[str, str]
"""Types of columns, in Hive's words, by their names."""


@dataclass(frozen=True, slots=True)
class Partition:
    """A registered partition: the values of the keys, and where its files are."""

    values: tuple[str, ...]
    location: str


@dataclass(frozen=True, slots=True)
class Relation:
    """A table or a view of the catalog; `view` is the encoded definition, where it is one."""

    database: str
    name: str
    columns: Columns
    comments: dict[str, str]
    keys: Columns
    partitions: tuple[Partition, ...]
    location: str
    view: str | None

    @property
    def schema(self) -> Columns:
        """All columns, those of the partitions last."""
        return self.columns | self.keys

    @property
    def definition(self) -> dict[str, Any]:
        """What a view was defined by; raises QueryError where that cannot be read."""
        text = (self.view or "").removeprefix(_PREFIX).removesuffix(_SUFFIX)
        try:
            definition: dict[str, Any] = {"schema": self.database, **json.loads(base64.b64decode(text, validate=True))}
        except (binascii.Error, TypeError, ValueError) as error:
            raise QueryError("INVALID_VIEW", f"View '{NAME}.{self.database}.{self.name}': {error}") from error
        return definition


class Catalog:
    """The catalog of one account and region."""

    def __init__(self, account: str, region: str) -> None:
        """Open it."""
        self._backend = glue_backends[account][region]
        self._account = account

    def databases(self) -> list[str]:
        """Return the names of the databases, in their order."""
        return sorted(database.name for database in self._backend.get_databases())

    def has(self, database: str) -> bool:
        """Return whether there is a database of this name."""
        return database.lower() in self.databases()

    def relations(self, database: str) -> list[Relation]:
        """Return the tables and views of a database, in the order of their names; QueryError when there is none."""
        try:
            tables = list(self._backend.get_database(database.lower()).tables.values())
        except DatabaseNotFoundException as error:
            raise QueryError("SCHEMA_NOT_FOUND", f"Schema '{database}' does not exist") from error
        return sorted((_relation(table) for table in tables), key=lambda relation: relation.name)

    def relation(self, database: str, name: str) -> Relation | None:
        """Return a table or a view; None when there is none of this name."""
        try:
            return _relation(self._backend.get_table(database.lower(), name.lower()))
        except (DatabaseNotFoundException, TableNotFoundException):
            return None

    def files(self, table: Relation) -> list[Path]:
        """Return the files of a table: those in the folders of its registered partitions, or in its own.

        Raises QueryError where one of these is not in a bucket.
        """
        if not table.keys:
            return self._below(table, table.location)
        found: list[Path] = []
        for partition in table.partitions:
            self._check(table, partition)
            found += self._below(table, partition.location)
        return found

    def put_view(
        self, database: str, name: str, definition: dict[str, Any], columns: Columns, *, replace: bool
    ) -> None:
        """Keep a view, in the place of one of the same name where `replace` says so."""
        view = {
            "Name": name,
            "TableType": VIEW,
            "Parameters": {"presto_view": "true", "comment": "Presto View"},
            "ViewOriginalText": encoded(definition),
            "ViewExpandedText": "/* Presto View */",
            "PartitionKeys": [],
            "StorageDescriptor": {"Columns": [{"Name": name, "Type": kind} for name, kind in columns.items()]},
        }
        there = self.relation(database, name)
        if there and (there.view is None or not replace):
            raise QueryError("TABLE_ALREADY_EXISTS", f"'{NAME}.{database}.{name}' already exists")
        if there:
            self._backend.update_table(database, name, view)
        else:
            self._backend.create_table(database, name, view)

    def drop_view(self, database: str, name: str) -> None:
        """Forget a view."""
        self._backend.delete_table(database, name)

    def _check(self, table: Relation, partition: Partition) -> None:
        """Hold a partition's folder to its values: they are read out of its name."""
        wanted = [f"{key}={value}" for key, value in zip(table.keys, partition.values, strict=True)]
        if [unquote(part) for part in partition.location.rstrip("/").split("/")[-len(wanted) :]] != wanted:
            raise QueryError(
                "NOT_SUPPORTED",
                f"partition {'/'.join(wanted)} of {table.database}.{table.name} lies in {partition.location}: locally "
                f"the folder of a partition has to be named for its values",
            )

    def _below(self, table: Relation, location: str) -> list[Path]:
        try:
            return list(Location.of(location, self._account).files())
        except LocationError as error:
            raise QueryError("HIVE_FILESYSTEM_ERROR", f"table {table.database}.{table.name}: {error}") from error


def encoded(definition: dict[str, Any]) -> str:
    """Return the definition of a view as the catalog keeps it."""
    return f"{_PREFIX}{base64.b64encode(json.dumps(definition).encode()).decode()}{_SUFFIX}"


def _relation(table: Any) -> Relation:
    told = table.as_dict()
    storage = told.get("StorageDescriptor") or {}
    columns = storage.get("Columns") or []
    return Relation(
        table.database_name,
        table.name,
        {column["Name"].lower(): column["Type"] for column in columns},
        {column["Name"].lower(): column.get("Comment", "") for column in [*columns, *_keys(told)]},
        {key["Name"].lower(): key["Type"] for key in _keys(told)},
        tuple(
            Partition(tuple(partition.values), partition.partition_input["StorageDescriptor"]["Location"])
            for partition in list(table.partitions.values())
        ),
        storage.get("Location") or "",
        told.get("ViewOriginalText", "") if told.get("TableType") == VIEW else None,
    )


def _keys(told: dict[str, Any]) -> list[dict[str, str]]:
    return told.get("PartitionKeys") or []

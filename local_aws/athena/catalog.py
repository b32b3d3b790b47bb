"""The Glue catalog as a query sees it: databases, tables with the files of their partitions, and views."""

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from moto.glue.exceptions import DatabaseNotFoundException, TableNotFoundException
from moto.glue.models import glue_backends

from local_aws.athena.errors import QueryError
from local_aws.s3.paths import KeyPaths

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
    """A table or a view of the catalog; `view` is what it was defined by, where it is one."""

    database: str
    name: str
    columns: Columns
    comments: dict[str, str]
    keys: Columns
    partitions: tuple[Partition, ...]
    location: str
    view: dict[str, Any] | None

    @property
    def schema(self) -> Columns:
        """All columns, those of the partitions last."""
        return self.columns | self.keys


class Catalog:
    """The catalog of one account and region, whose buckets are the folders of `lake`."""

    def __init__(self, account: str, region: str, lake: Path) -> None:
        """Open it."""
        self._backend = glue_backends[account][region]
        self._lake = lake

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
        """Return the files of a table: those in the folders of its registered partitions, or in its own."""
        if not table.keys:
            return list(self._below(table.location))
        found: list[Path] = []
        for partition in table.partitions:
            self._check(table, partition)
            found += self._below(partition.location)
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
        if there and not (there.view and replace):
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

    def _below(self, location: str) -> Iterator[Path]:
        """Yield the files below an address; what is named with `_` or `.` at its beginning is not there for Hive."""
        bucket, _, key = location.removeprefix("s3://").removeprefix("s3a://").partition("/")
        folder = KeyPaths(self._lake / bucket).locate(key.rstrip("/"))
        if folder is None:
            return
        for path in sorted(folder.rglob("*")):
            if path.is_file() and not any(part.startswith(("_", ".")) for part in path.relative_to(folder).parts):
                yield path


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
        _decoded(told["ViewOriginalText"]) if told.get("TableType") == VIEW else None,
    )


def _keys(told: dict[str, Any]) -> list[dict[str, str]]:
    return told.get("PartitionKeys") or []


def _decoded(text: str) -> dict[str, Any]:
    definition: dict[str, Any] = json.loads(base64.b64decode(text.removeprefix(_PREFIX).removesuffix(_SUFFIX)))
    return definition

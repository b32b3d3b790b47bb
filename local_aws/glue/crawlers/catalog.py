"""Writes of a crawl to the Data Catalog, under the crawler's schema-change policy."""

import hashlib
import time
from collections.abc import Iterable, Mapping
from typing import Any

from moto.glue.exceptions import DatabaseNotFoundException

from local_aws.address import REGION
from local_aws.glue.crawlers.crawl import Crawl, CrawlFailedError
from local_aws.glue.crawlers.definitions import columns_of, partition_input, schema_of, table_input
from local_aws.glue.crawlers.grouping import CrawledPartition, CrawledTable
from local_aws.glue.crawlers.log import CrawlLog
from local_aws.glue.crawlers.schema import HiveSchema, are_alike
from local_aws.glue.crawlers.settings import CrawlerSettings
from local_aws.iam import Call, Session

DEPRECATED = "DEPRECATED_BY_CRAWLER"
"""The parameter of tables and partitions whose data is gone; its value is a time in milliseconds."""


class CrawledCatalog:
    """The catalog database of one crawl."""

    def __init__(self, backend: Any, settings: CrawlerSettings, crawl: Crawl, log: CrawlLog, session: Session) -> None:
        """Open the database, with the rights of `session`; CrawlFailedError when it does not exist."""
        self._backend = backend
        self._settings = settings
        self._crawl = crawl
        self._log = log
        self._session = session
        self._require_right("GetDatabase", Name=settings.database)
        self._require_right("GetTables")
        try:
            self._database = backend.get_database(settings.database)
        except DatabaseNotFoundException as error:
            raise CrawlFailedError(
                f"Database {settings.database} not found. Create it, or correct the crawler."
            ) from error

    def _require_right(self, operation: str, **parameters: Any) -> None:
        """Raise AccessDeniedError unless the crawler's role allows an operation of Glue's on this database."""
        parameters = {"DatabaseName": self._settings.database, **parameters}
        self._session.authorize(Call("glue", operation, parameters, REGION, self._session.account))

    def locations(self) -> list[str]:
        """Return the locations of the tables that this crawler has written."""
        return [_location(table) for table in self._own_tables()]

    def write(self, found: CrawledTable) -> None:
        """Add a new table, or update a changed one if the policy allows, and write its partitions."""
        self._crawl.check()
        table = self._table_at(found.location)
        first = table is None
        if first:
            name = self._free_name(self._settings.table_prefix + found.name, found.location)
            definition = table_input(name, found, self._crawl.crawler_name)
            self._require_right("CreateTable", TableInput=definition | {"Name": name})
            table = self._backend.create_table(self._settings.database, name, definition)
            self._crawl.changes["TABLE", "ADD"] += 1
            self._log.info(f"Created table {name} in database {self._settings.database}")
        else:
            self._update(table, found)
        self._write_partitions(table, found, adds_to_known=not first and self._settings.new_folders_only)

    def retire(self, found: Iterable[CrawledTable]) -> None:
        """Apply the delete policy to this crawler's tables and partitions whose data is gone."""
        by_location = {table.location: table for table in found}
        for table in list(self._own_tables()):
            self._crawl.check()
            current = by_location.get(_location(table))
            if current is None:
                self._retire_table(table)
            else:
                values = {partition.values for partition in current.partitions}
                for partition in list(table.partitions.values()):
                    if tuple(partition.values) not in values:
                        self._retire_partition(table, partition)

    def _own_tables(self) -> Iterable[Any]:
        for table in list(self._database.tables.values()):
            if _definition(table).get("Parameters", {}).get("UPDATED_BY_CRAWLER") == self._crawl.crawler_name:
                yield table

    def _table_at(self, location: str) -> Any | None:
        return next((table for table in self._database.tables.values() if _location(table) == location), None)

    def _free_name(self, name: str, location: str) -> str:
        if name not in self._database.tables:
            return name
        return f"{name}_{hashlib.md5(location.encode(), usedforsecurity=False).hexdigest()}"

    def _update(self, table: Any, found: CrawledTable) -> None:
        """Update a table; under the policy LOG, only log the changes."""
        now = schema_of(_definition(table))
        schema = {**now, **{k: v for k, v in found.schema.items() if k not in now}} if self._merges else found.schema
        keys = tuple(key["Name"] for key in _definition(table).get("PartitionKeys", []))
        if schema == now and (keys == found.partition_keys or self._settings.new_folders_only):
            self._refresh(table, found)
        elif self._settings.update == "LOG":
            self._log.info(f"Table {table.name} has changed and was not updated: {_difference(now, schema)}")
        else:
            definition = table_input(table.name, found, self._crawl.crawler_name)
            definition["StorageDescriptor"]["Columns"] = columns_of(schema)
            self._require_right("UpdateTable", TableInput=definition | {"Name": table.name})
            self._backend.update_table(self._settings.database, table.name, definition)
            self._crawl.changes["TABLE", "UPDATE"] += 1
            self._log.info(
                f"Updated table {table.name} in database {self._settings.database}: {_difference(now, schema)}"
            )

    @property
    def _merges(self) -> bool:
        # A crawl of new folders reads a part of the table: other columns still exist.
        return self._settings.merge_new_columns or self._settings.new_folders_only

    def _refresh(self, table: Any, found: CrawledTable) -> None:
        """Update the statistics of an unchanged table, without a new version of it."""
        definition = _definition(table)
        _clear_deprecated(definition)
        if self._settings.update != "LOG":
            fresh = table_input(table.name, found, self._crawl.crawler_name)["Parameters"]
            definition["Parameters"] = {**definition.get("Parameters", {}), **fresh}

    def _write_partitions(self, table: Any, found: CrawledTable, *, adds_to_known: bool) -> None:
        inherited = schema_of(_definition(table)) if self._settings.inherit_from_table else None
        keys = _definition(table).get("PartitionKeys", [])
        for partition in found.partitions:
            self._crawl.check()
            if len(partition.values) != len(keys):
                self._log.warn(f"{partition.location} was skipped: table {table.name} has {len(keys)} partition keys.")
            elif adds_to_known and not _is_compatible(partition, table):
                self._log.warn(f"{partition.location}: Partition does not match table schema or has mismatch keys")
            else:
                self._write_partition(table, partition, inherited)

    def _write_partition(self, table: Any, found: CrawledPartition, inherited: HiveSchema | None) -> None:
        schema = found.schema if inherited is None else inherited
        definition = partition_input(found, schema, self._crawl.crawler_name)
        values = list(found.values)
        present = table.partitions.get(str(values))
        if present is None:
            self._require_right("BatchCreatePartition", TableName=table.name)
            table.create_partition(definition)
            self._crawl.changes["PARTITION", "ADD"] += 1
            self._log.info(f"Created partition with values {values} for table {table.name}")
        elif schema_of(present.partition_input) == schema:
            _clear_deprecated(present.partition_input)
        elif self._settings.update == "LOG":
            self._log.info(f"Partition {values} of table {table.name} has changed and was not updated")
        else:
            self._require_right("UpdatePartition", TableName=table.name)
            table.update_partition(values, definition)
            self._crawl.changes["PARTITION", "UPDATE"] += 1
            self._log.info(f"Updated partition with values {values} of table {table.name}")

    def _retire_table(self, table: Any) -> None:
        if self._settings.delete == "DELETE_FROM_DATABASE":
            self._require_right("DeleteTable", Name=table.name)
            self._backend.delete_table(self._settings.database, table.name)
            self._crawl.changes["TABLE", "DELETE"] += 1
            self._log.info(f"Deleted table {table.name}: a matching schema was not found at the table's location.")
        elif self._settings.delete == "LOG":
            self._log.info(f"Table {table.name} was not found at its location, {_location(table)}.")
        elif DEPRECATED not in _definition(table)["Parameters"]:
            definition = _definition(table)
            parameters = {**definition["Parameters"], DEPRECATED: _now()}
            self._require_right("UpdateTable", TableInput={"Name": table.name})
            self._backend.update_table(self._settings.database, table.name, {**definition, "Parameters": parameters})
            self._crawl.changes["TABLE", "UPDATE"] += 1
            reason = "a matching schema was not found at the table's location."
            self._log.info(f"Table {table.name} is marked deprecated because {reason}")

    def _retire_partition(self, table: Any, partition: Any) -> None:
        self._log.info(
            f"Found partition of table {table.name} with partition values {list(partition.values)} "
            "with no matching schema at the partition's S3 location"
        )
        definition = partition.partition_input
        if self._settings.delete == "DELETE_FROM_DATABASE":
            self._require_right("BatchDeletePartition", TableName=table.name)
            table.delete_partition(partition.values)
            self._crawl.changes["PARTITION", "DELETE"] += 1
        elif self._settings.delete == "DEPRECATE_IN_DATABASE" and DEPRECATED not in definition.get("Parameters", {}):
            parameters = {**definition.get("Parameters", {}), DEPRECATED: _now()}
            self._require_right("UpdatePartition", TableName=table.name)
            table.update_partition(partition.values, {**definition, "Parameters": parameters})
            self._crawl.changes["PARTITION", "UPDATE"] += 1


def _definition(table: Any) -> dict[str, Any]:
    current: dict[str, Any] = table.get_version(str(table._current_version))  # noqa: SLF001 - moto offers no other way
    return current


def _is_compatible(partition: CrawledPartition, table: Any) -> bool:
    """Whether a crawl of new folders adds the partition; a skipped one is never crawled again.

    See "Scheduling incremental crawls" in Glue's developer guide.
    """
    return are_alike([schema_of(_definition(table)), partition.schema], combine_compatible=False)


def _clear_deprecated(definition: dict[str, Any]) -> None:
    parameters = definition.get("Parameters", {})
    definition["Parameters"] = {key: value for key, value in parameters.items() if key != DEPRECATED}


def _location(table: Any) -> str:
    address = _definition(table).get("StorageDescriptor", {}).get("Location") or ""
    return f"{address.rstrip('/')}/"


def _difference(now: Mapping[str, str], found: Mapping[str, str]) -> str:
    changes = [f"+ {name} {kind}" for name, kind in found.items() if name not in now]
    changes += [f"- {name}" for name in now if name not in found]
    changes += [f"{name} {now[name]} -> {kind}" for name, kind in found.items() if now.get(name, kind) != kind]
    return "; ".join(changes) or "other partition keys"


def _now() -> str:
    return str(int(time.time() * 1000))

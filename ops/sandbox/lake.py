"""Questions to the lake of a running world, by the API of Athena and of Glue, as anybody could ask them."""

import difflib
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError
from sqlglot import exp

from ops.sandbox import aws
from ops.sandbox.errors import LakeTableNotFoundError, QueryFailedError
from ops.sandbox.settings import SandboxSettings

_POLL_SECONDS = 0.05
_UNDER_WAY = {"QUEUED", "RUNNING"}
_NEAR = 3
_ZONES = ("processed", "ingested", "discovered")

type Row = list[str | None]


@dataclass(frozen=True, slots=True)
class QueryResult:
    """What a query has as its result: columns by their types, rows as text, and what it took."""

    columns: dict[str, str]
    rows: list[Row]
    bytes_scanned: int
    seconds: float


@dataclass(frozen=True, slots=True)
class CatalogRelation:
    """A table or a view of the catalog, as Glue tells of it."""

    database: str
    name: str
    description: str
    is_view: bool
    columns: list[dict[str, str]]
    keys: list[dict[str, str]]


class LakeClient:
    """The lake of the world of `settings`, asked in the workgroup that Terraform has made."""

    def __init__(self, settings: SandboxSettings, workgroup: str, databases: dict[str, str]) -> None:
        """Ask in `workgroup`; `databases` are those of the zones, by their names."""
        self._athena, self._glue = aws.client(settings, "athena"), aws.client(settings, "glue")
        self._workgroup = workgroup
        self._databases = databases

    def ask(self, query: str) -> QueryResult:
        """Return the answer to a query; raise `QueryFailedError` with what Athena says against it."""
        try:
            identifier = self._athena.start_query_execution(
                QueryString=query,
                QueryExecutionContext={"Database": self._databases["processed"]},
                WorkGroup=self._workgroup,
            )["QueryExecutionId"]
        except ClientError as error:
            raise QueryFailedError(error.response["Error"]["Message"]) from error
        told = self._ended(identifier)
        if told["Status"]["State"] != "SUCCEEDED":
            raise QueryFailedError(told["Status"]["StateChangeReason"])
        pages = list(self._athena.get_paginator("get_query_results").paginate(QueryExecutionId=identifier))
        found = pages[0]["ResultSet"]["ResultSetMetadata"]["ColumnInfo"]
        rows = [
            [cell.get("VarCharValue") for cell in row["Data"]] for page in pages for row in page["ResultSet"]["Rows"]
        ]
        statistics = told["Statistics"]
        return QueryResult(
            {column["Name"]: column["Type"] for column in found},
            rows[1:] if told["StatementType"] == "DML" else rows,
            statistics["DataScannedInBytes"],
            statistics["TotalExecutionTimeInMillis"] / 1000,
        )

    def relations(self) -> list[CatalogRelation]:
        """Return all tables and views, those of the processed zone first, each zone's in the order of their names."""
        found = (self._in(self._databases[zone]) for zone in _ZONES)
        return [relation for some in found for relation in sorted(some, key=lambda relation: relation.name)]

    def relation(self, name: str) -> CatalogRelation:
        """Return the table or view `name`, or `database.name`: the first by that; raise `LakeTableNotFoundError`."""
        database, _, own_name = name.lower().rpartition(".")
        there = self.relations()
        for relation in there:
            if relation.name == own_name and database in {"", relation.database}:
                return relation
        names = [relation.name for relation in there]
        raise LakeTableNotFoundError(name, difflib.get_close_matches(own_name, names, n=_NEAR))

    def partitions(self, relation: CatalogRelation) -> int:
        """Return how many partitions of a table are registered."""
        pages = self._glue.get_paginator("get_partitions").paginate(
            DatabaseName=relation.database, TableName=relation.name, ExcludeColumnSchema=True
        )
        return sum(len(page["Partitions"]) for page in pages)

    def rows(self, relation: CatalogRelation) -> int:
        """Return how many rows a table or a view has."""
        table = exp.table_(relation.name, db=relation.database, quoted=True)
        [[count]] = self.ask(exp.select("count(*)").from_(table).sql("athena")).rows
        return int(count or 0)

    def _ended(self, identifier: str) -> dict[str, Any]:
        try:
            while (told := self._told(identifier))["Status"]["State"] in _UNDER_WAY:
                time.sleep(_POLL_SECONDS)
        except KeyboardInterrupt:
            self._athena.stop_query_execution(QueryExecutionId=identifier)
            raise
        return told

    def _told(self, identifier: str) -> dict[str, Any]:
        told: dict[str, Any] = self._athena.get_query_execution(QueryExecutionId=identifier)["QueryExecution"]
        return told

    def _in(self, database: str) -> Iterator[CatalogRelation]:
        for page in self._glue.get_paginator("get_tables").paginate(DatabaseName=database):
            for table in page["TableList"]:
                yield CatalogRelation(
                    database,
                    table["Name"],
                    table.get("Description", ""),
                    table.get("TableType") == "VIRTUAL_VIEW",
                    table["StorageDescriptor"]["Columns"],
                    table.get("PartitionKeys", []),
                )

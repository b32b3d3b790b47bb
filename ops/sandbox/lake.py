"""A client of the lake: queries in Athena, tables in the Glue catalog."""

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
_ACTIVE_STATES = {"QUEUED", "RUNNING"}
_SUGGESTIONS = 3
_ZONES = ("processed", "ingested", "discovered")

type Row = list[str | None]


@dataclass(frozen=True, slots=True)
class QueryResult:
    """The result of a query: types by column, rows as text, bytes scanned and seconds."""

    columns: dict[str, str]
    rows: list[Row]
    bytes_scanned: int
    seconds: float


@dataclass(frozen=True, slots=True)
class CatalogRelation:
    """A table or view of the Glue catalog; columns as Glue describes them."""

    database: str
    name: str
    description: str
    is_view: bool
    columns: list[dict[str, str]]
    partition_keys: list[dict[str, str]]


class LakeClient:
    """Queries the lake of a local environment and describes its tables."""

    def __init__(self, settings: SandboxSettings, workgroup: str, databases: dict[str, str]) -> None:
        """Query in the Athena `workgroup`; `databases` has the name of each zone's database."""
        self._athena, self._glue = aws.client(settings, "athena"), aws.client(settings, "glue")
        self._workgroup = workgroup
        self._databases = databases

    def query(self, sql: str) -> QueryResult:
        """Return the result of a query; raise `QueryFailedError` with Athena's message when it fails."""
        try:
            query_id = self._athena.start_query_execution(
                QueryString=sql,
                QueryExecutionContext={"Database": self._databases["processed"]},
                WorkGroup=self._workgroup,
            )["QueryExecutionId"]
        except ClientError as error:
            raise QueryFailedError(error.response["Error"]["Message"]) from error
        execution = self._wait_for_end(query_id)
        if execution["Status"]["State"] != "SUCCEEDED":
            raise QueryFailedError(execution["Status"]["StateChangeReason"])
        pages = list(self._athena.get_paginator("get_query_results").paginate(QueryExecutionId=query_id))
        columns = pages[0]["ResultSet"]["ResultSetMetadata"]["ColumnInfo"]
        rows = [
            [cell.get("VarCharValue") for cell in row["Data"]] for page in pages for row in page["ResultSet"]["Rows"]
        ]
        statistics = execution["Statistics"]
        return QueryResult(
            {column["Name"]: column["Type"] for column in columns},
            rows[1:] if execution["StatementType"] == "DML" else rows,  # a SELECT repeats the column names first
            statistics["DataScannedInBytes"],
            statistics["TotalExecutionTimeInMillis"] / 1000,
        )

    def relations(self) -> list[CatalogRelation]:
        """Return all tables and views by name, those of the processed zone first."""
        by_zone = (self._in_database(self._databases[zone]) for zone in _ZONES)
        return [relation for zone in by_zone for relation in sorted(zone, key=lambda relation: relation.name)]

    def relation(self, name: str) -> CatalogRelation:
        """Return the first table or view called `name`, which may be `database.name`.

        Raises `LakeTableNotFoundError`.
        """
        database, _, own_name = name.lower().rpartition(".")
        relations = self.relations()
        for relation in relations:
            if relation.name == own_name and database in {"", relation.database}:
                return relation
        names = [relation.name for relation in relations]
        raise LakeTableNotFoundError(name, difflib.get_close_matches(own_name, names, n=_SUGGESTIONS))

    def partitions(self, relation: CatalogRelation) -> int:
        """Return the number of registered partitions of a table."""
        pages = self._glue.get_paginator("get_partitions").paginate(
            DatabaseName=relation.database, TableName=relation.name, ExcludeColumnSchema=True
        )
        return sum(len(page["Partitions"]) for page in pages)

    def rows(self, relation: CatalogRelation) -> int:
        """Return the number of rows of a table or view."""
        table = exp.table_(relation.name, db=relation.database, quoted=True)
        [[count]] = self.query(exp.select("count(*)").from_(table).sql("athena")).rows
        return int(count or 0)

    def _wait_for_end(self, query_id: str) -> dict[str, Any]:
        """Return the execution of a query that has ended; stop the query on Ctrl-C."""
        try:
            while (execution := self._execution(query_id))["Status"]["State"] in _ACTIVE_STATES:
                time.sleep(_POLL_SECONDS)
        except KeyboardInterrupt:
            self._athena.stop_query_execution(QueryExecutionId=query_id)
            raise
        return execution

    def _execution(self, query_id: str) -> dict[str, Any]:
        execution: dict[str, Any] = self._athena.get_query_execution(QueryExecutionId=query_id)["QueryExecution"]
        return execution

    def _in_database(self, database: str) -> Iterator[CatalogRelation]:
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

"""The operations of Athena that run queries, which moto only mocks."""

from functools import partial
from typing import Any, override

from moto.athena.models import AthenaBackend
from moto.core.responses import ActionResult
from moto.s3.models import s3_backends

from local_aws import mounting
from local_aws.athena import described, paging, results, statements
from local_aws.athena.catalog import QueryCatalog
from local_aws.athena.errors import QueryError, refused
from local_aws.athena.executions import SUCCEEDED, QueryExecution, QueryExecutions, QueryRequest
from local_aws.athena.metadata import MetadataResponse
from local_aws.athena.statements import AthenaStatement
from local_aws.athena.workgroups import WorkgroupResponse, named, result_settings
from local_aws.iam.calls import PARTITION
from local_aws.s3.locations import Location, LocationError

_MOST_ROWS, _MOST_AT_ONCE = 1000, 50
_DEFAULT_DATABASE = "default"


class LocalAthenaBackend(AthenaBackend):  # type: ignore[misc] # moto is not typed
    """Athena of one region, with the executions of its queries."""

    def __init__(self, region_name: str, account_id: str) -> None:
        """Begin without executions."""
        super().__init__(region_name, account_id)
        self.local_executions = QueryExecutions()


class LocalAthenaResponse(MetadataResponse, WorkgroupResponse):
    """The operations of Athena."""

    @property
    def _executions(self) -> QueryExecutions:
        executions: QueryExecutions = self.athena_backend.local_executions
        return executions

    @override
    def start_query_execution(self) -> ActionResult:
        """Handle StartQueryExecution."""
        request = self._request()
        statement = _parsed(request)
        execution, new = self._executions.submit(request, self._get_param("ClientRequestToken"))
        if new and isinstance(statement, QueryError):
            execution.fail(statement)
        elif new and not isinstance(statement, QueryError):
            account = self.current_account
            execution.start(statement, QueryCatalog(account, self.region), partial(_write, account))
        return ActionResult({"QueryExecutionId": execution.id})

    @override
    def get_query_execution(self) -> ActionResult:
        """Handle GetQueryExecution."""
        return ActionResult({"QueryExecution": described.execution(self._execution())})

    def batch_get_query_execution(self) -> ActionResult:
        """Handle BatchGetQueryExecution."""
        identifiers = self._get_param("QueryExecutionIds")
        if len(identifiers) > _MOST_AT_ONCE:
            raise refused(f"QueryExecutionIds: {len(identifiers)} are more than {_MOST_AT_ONCE}")
        executions = {each: self._executions.get(each) for each in identifiers}
        unknown = [
            {
                "QueryExecutionId": each,
                "ErrorCode": "INVALID_INPUT",
                "ErrorMessage": f"QueryExecution {each} was not found",
            }
            for each in identifiers
            if executions[each] is None
        ]
        known = [described.execution(execution) for each in identifiers if (execution := executions[each])]
        return ActionResult({"QueryExecutions": known, "UnprocessedQueryExecutionIds": unknown})

    @override
    def list_query_executions(self) -> ActionResult:
        """List the executions of a workgroup, the latest first."""
        workgroup = named(self, self._get_param("WorkGroup"))
        listed = [each.id for each in self._executions.newest_first() if each.request.workgroup == workgroup.name]
        return ActionResult(paging.page(self, "QueryExecutionIds", listed))

    @override
    def stop_query_execution(self) -> ActionResult:
        """Handle StopQueryExecution."""
        self._execution().cancel()
        return ActionResult({})

    @override
    def get_query_runtime_statistics(self) -> ActionResult:
        """Handle GetQueryRuntimeStatistics."""
        return ActionResult({"QueryRuntimeStatistics": described.runtime_statistics(self._execution())})

    @override
    def get_query_results(self) -> ActionResult:
        """Return a page of the rows of a query that has succeeded."""
        execution = self._execution()
        if not execution.ended:
            raise refused(f"Query has not yet finished. Current state: {execution.state}")
        if execution.state != SUCCEEDED:
            raise refused(f"Query did not finish successfully. Final query state: {execution.state}")
        limit = int(self._get_param("MaxResults") or _MOST_ROWS)
        if not 1 <= limit <= _MOST_ROWS:
            raise refused(f"MaxResults is {limit}, and has to be between 1 and {_MOST_ROWS}")
        return ActionResult(_page(execution, self.current_account, paging.token(self), limit))

    def _execution(self) -> QueryExecution:
        identifier = self._get_param("QueryExecutionId")
        execution = self._executions.get(identifier)
        if execution is None:
            raise refused(f"QueryExecution {identifier} was not found", "INVALID_INPUT")
        return execution

    def _request(self) -> QueryRequest:
        workgroup = named(self, self._get_param("WorkGroup"))
        context = self._get_param("QueryExecutionContext") or {}
        settings = result_settings(workgroup, self._get_param("ResultConfiguration") or {})
        try:
            Location.of(settings["OutputLocation"], self.current_account)
        except LocationError as error:
            bucket = settings["OutputLocation"].removeprefix("s3://").partition("/")[0]
            raise refused(f"Unable to verify/create output bucket {bucket}: {error}") from error
        return QueryRequest(
            text=self._get_param("QueryString"),
            workgroup=workgroup.name,
            database=(context.get("Database") or _DEFAULT_DATABASE).strip("`").lower(),
            catalog=context.get("Catalog") or "AwsDataCatalog",
            output=settings["OutputLocation"],
            settings=settings,
            max_bytes_scanned=workgroup.configuration.get("BytesScannedCutoffPerQuery"),
            parameters=self._get_param("ExecutionParameters") or [],
        )


def mount() -> None:
    """Mount Athena, whose queries read the buckets of the local S3."""
    mounting.mount("athena", backend=LocalAthenaBackend, response=LocalAthenaResponse)


def _parsed(request: QueryRequest) -> AthenaStatement | QueryError:
    """Return the statement of a request, or why it cannot be executed; a text that is not SQL is refused."""
    try:
        return statements.parse(request.text, request.parameters)
    except QueryError as error:
        return error


def _write(account: str, address: str, content: bytes) -> None:
    bucket, _, key = address.removeprefix("s3://").partition("/")
    s3_backends[account][PARTITION].put_object(bucket, key, content)


def _page(execution: QueryExecution, account: str, start: int, limit: int) -> dict[str, Any]:
    try:
        file = Location.of(execution.output, account).file()
    except LocationError as error:
        raise refused(f"Could not find results: {error}") from error
    if file is None:
        raise refused(f"Could not find results: {execution.output} is gone")
    page = results.page(file, execution.columns, start, limit)
    rows = [{"Data": [{} if value is None else {"VarCharValue": value} for value in row]} for row in page.rows]
    following = {} if page.following is None else {"NextToken": str(page.following)}
    result = {"Rows": rows, "ResultSetMetadata": {"ColumnInfo": execution.columns}}
    return {"UpdateCount": 0, "ResultSet": result, **following}

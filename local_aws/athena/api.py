"""The operations of Athena that run queries, in the place of those that moto only pretends."""

import threading
from typing import Any

from moto.athena.responses import AthenaResponse
from moto.core.responses import ActionResult
from moto.s3.models import s3_backends

from local_aws.athena import described, metadata, paging, results, statements, workgroups
from local_aws.athena.catalog import Catalog
from local_aws.athena.errors import QueryError, refused
from local_aws.athena.executions import SUCCEEDED, Execution, Request
from local_aws.athena.statements import Statement
from local_aws.iam.calls import PARTITION
from local_aws.s3.locations import Location, LocationError

_MOST_ROWS, _MOST_AT_ONCE = 1000, 50
_DEFAULT_DATABASE = "default"

_executions: dict[str, Execution] = {}
_by_token: dict[str, Execution] = {}
_lock = threading.Lock()


def install() -> None:
    """Let Athena run its queries over the buckets of the local S3."""

    def start_query_execution(response: AthenaResponse) -> ActionResult:
        request = _request(response)
        statement = _parsed(request)
        execution, new = _taken(request, response._get_param("ClientRequestToken"))  # noqa: SLF001 - moto's way
        if new:
            _start(execution, statement, response)
        return ActionResult({"QueryExecutionId": execution.id})

    def get_query_results(response: AthenaResponse) -> ActionResult:
        return ActionResult(_page(response))

    AthenaResponse.start_query_execution = start_query_execution
    AthenaResponse.get_query_results = get_query_results
    AthenaResponse.get_query_execution = _get_query_execution
    AthenaResponse.batch_get_query_execution = _batch_get_query_execution
    AthenaResponse.list_query_executions = _list_query_executions
    AthenaResponse.stop_query_execution = _stop_query_execution
    AthenaResponse.get_query_runtime_statistics = _get_query_runtime_statistics
    workgroups.install()
    metadata.install(lambda response: Catalog(response.current_account, response.region))


def _taken(request: Request, token: str | None) -> tuple[Execution, bool]:
    """Return a new execution, or the one that was handed in with the same token, and whether it is new."""
    with _lock:
        if token and token in _by_token:
            return _by_token[token], False
        execution = Execution(request)
        _executions[execution.id] = execution
        if token:
            _by_token[token] = execution
    return execution, True


def _request(response: AthenaResponse) -> Request:
    workgroup = workgroups.named(response, response._get_param("WorkGroup"))  # noqa: SLF001 - moto's way
    context = response._get_param("QueryExecutionContext") or {}  # noqa: SLF001
    settings = workgroups.result_settings(workgroup, response._get_param("ResultConfiguration") or {})  # noqa: SLF001
    try:
        Location.of(settings["OutputLocation"], response.current_account)
    except LocationError as error:
        bucket = settings["OutputLocation"].removeprefix("s3://").partition("/")[0]
        raise refused(f"Unable to verify/create output bucket {bucket}: {error}") from error
    return Request(
        text=response._get_param("QueryString"),  # noqa: SLF001
        workgroup=workgroup.name,
        database=(context.get("Database") or _DEFAULT_DATABASE).strip("`").lower(),
        catalog=context.get("Catalog") or "AwsDataCatalog",
        output=settings["OutputLocation"],
        settings=settings,
        max_bytes_scanned=workgroup.configuration.get("BytesScannedCutoffPerQuery"),
        parameters=response._get_param("ExecutionParameters") or [],  # noqa: SLF001
    )


def _parsed(request: Request) -> Statement | QueryError:
    """Return what is asked for, or why it is not carried out; what is no SQL is refused."""
    try:
        return statements.parse(request.text, request.parameters)
    except QueryError as error:
        return error


def _start(execution: Execution, statement: Statement | QueryError, response: AthenaResponse) -> None:
    account, region = response.current_account, response.region

    def write(address: str, content: bytes) -> None:
        bucket, _, key = address.removeprefix("s3://").partition("/")
        s3_backends[account][PARTITION].put_object(bucket, key, content)

    if isinstance(statement, QueryError):
        execution.fail(statement)
    else:
        execution.start(statement, Catalog(account, region), write)


def _found(identifier: str) -> Execution:
    if identifier not in _executions:
        raise refused(f"QueryExecution {identifier} was not found", "INVALID_INPUT")
    return _executions[identifier]


def _asked(response: AthenaResponse) -> Execution:
    return _found(response._get_param("QueryExecutionId"))  # noqa: SLF001 - moto's way


def _get_query_execution(response: AthenaResponse) -> ActionResult:
    return ActionResult({"QueryExecution": described.execution(_asked(response))})


def _batch_get_query_execution(response: AthenaResponse) -> ActionResult:
    identifiers = response._get_param("QueryExecutionIds")  # noqa: SLF001 - moto's way
    if len(identifiers) > _MOST_AT_ONCE:
        raise refused(f"QueryExecutionIds: {len(identifiers)} are more than {_MOST_AT_ONCE}")
    unknown = [
        {"QueryExecutionId": each, "ErrorCode": "INVALID_INPUT", "ErrorMessage": f"QueryExecution {each} was not found"}
        for each in identifiers
        if each not in _executions
    ]
    known = [described.execution(_executions[each]) for each in identifiers if each in _executions]
    return ActionResult({"QueryExecutions": known, "UnprocessedQueryExecutionIds": unknown})


def _list_query_executions(response: AthenaResponse) -> ActionResult:
    """List the executions of a workgroup, the latest first."""
    workgroup = workgroups.named(response, response._get_param("WorkGroup"))  # noqa: SLF001 - moto's way
    listed = [each.id for each in reversed(_executions.values()) if each.request.workgroup == workgroup.name]
    return ActionResult(paging.page(response, "QueryExecutionIds", listed))


def _stop_query_execution(response: AthenaResponse) -> ActionResult:
    _asked(response).cancel()
    return ActionResult({})


def _get_query_runtime_statistics(response: AthenaResponse) -> ActionResult:
    return ActionResult({"QueryRuntimeStatistics": described.runtime_statistics(_asked(response))})


def _page(response: AthenaResponse) -> dict[str, Any]:
    execution = _asked(response)
    if not execution.ended:
        raise refused(f"Query has not yet finished. Current state: {execution.state}")
    if execution.state != SUCCEEDED:
        raise refused(f"Query did not finish successfully. Final query state: {execution.state}")
    limit = int(response._get_param("MaxResults") or _MOST_ROWS)  # noqa: SLF001 - moto's way
    if not 1 <= limit <= _MOST_ROWS:
        raise refused(f"MaxResults is {limit}, and has to be between 1 and {_MOST_ROWS}")
    try:
        file = Location.of(execution.output, response.current_account).file()
    except LocationError as error:
        raise refused(f"Could not find results: {error}") from error
    if file is None:
        raise refused(f"Could not find results: {execution.output} is gone")
    page = results.page(file, execution.columns, paging.token(response), limit)
    rows = [{"Data": [{} if value is None else {"VarCharValue": value} for value in row]} for row in page.rows]
    following = {} if page.following is None else {"NextToken": str(page.following)}
    result = {"Rows": rows, "ResultSetMetadata": {"ColumnInfo": execution.columns}}
    return {"UpdateCount": 0, "ResultSet": result, **following}

"""The operations of the Data API, in the place of those that moto only pretends."""

import re
import threading
from collections.abc import Callable
from typing import Any

from flask import request as http_request
from moto.core.responses import ActionResult
from moto.redshiftdata.exceptions import ResourceNotFoundException, ValidationException
from moto.redshiftdata.responses import RedshiftDataAPIServiceResponse as Response
from moto.secretsmanager import secretsmanager_backends
from moto.secretsmanager.exceptions import SecretNotFoundException

from local_aws.gate import execution
from local_aws.iam import owners
from local_aws.redshift.statements import FINISHED, Batch, Statement, cell

_MOST_STATEMENTS, _MOST_BYTES = 40, 100 * 1024
_PAGE = 1000
_NAME = re.compile(r"[a-z0-9-]+")
_TOLD = ("WorkgroupName", "ClusterIdentifier", "Database", "SecretArn", "DbUser")

type Databases = Callable[[str, str], str]
"""Returns the URL of the Postgres database that stands for a database of a workgroup or cluster, made if need be."""

_batches: dict[str, Batch] = {}
_by_token: dict[tuple[str | None, str], Batch] = {}
"""By who submitted a batch, and the token that came with it."""
_lock = threading.Lock()


def install(databases: Databases) -> None:
    """Let the Data API run its statements against what `databases` returns; COPY reads the local S3's buckets."""

    def submit(response: Response, texts: list[str]) -> ActionResult:
        request = {name: response._get_param(name) for name in (*_TOLD, "StatementName")}  # noqa: SLF001 - moto's way
        batch, new = _taken(request, texts, response._get_param("ClientToken"), _place(response))  # noqa: SLF001
        if new:
            batch.start(lambda: databases(_warehouse(request), request["Database"]), response.current_account)
        told = {name: value for name, value in request.items() if name in _TOLD and value}
        return ActionResult({"Id": batch.whole.id, "CreatedAt": batch.whole.created_at} | told)

    Response.execute_statement = lambda response: submit(response, [response._get_param("Sql")])  # noqa: SLF001
    Response.batch_execute_statement = lambda response: submit(response, response._get_param("Sqls"))  # noqa: SLF001
    Response.describe_statement = _describe_statement
    Response.get_statement_result = _get_statement_result
    Response.list_statements = _list_statements
    Response.cancel_statement = _cancel_statement


def _place(response: Response) -> tuple[str, str]:
    return response.current_account, response.region


def _taken(request: dict[str, Any], texts: list[str], token: str | None, place: tuple[str, str]) -> tuple[Batch, bool]:
    """Return a new batch, or the one that was handed in with the same `token`, and whether it is new."""
    name = request["WorkgroupName"] or request["ClusterIdentifier"]
    if not name or not request["Database"]:
        raise ValidationException("WorkgroupName or ClusterIdentifier, and Database, are required.")
    if not _NAME.fullmatch(name):
        raise ValidationException(
            f"{name}: the name of a workgroup or a cluster has lower-case letters, digits and hyphens; "
            "name a workgroup by its name, not by its ARN."
        )
    if len(texts) > _MOST_STATEMENTS:
        raise ValidationException(f"Sqls: {len(texts)} statements are more than {_MOST_STATEMENTS}.")
    if any(len(text.encode()) > _MOST_BYTES for text in texts):
        raise ValidationException("Cannot process query statement larger than 100KB.")
    if request["SecretArn"]:
        account, region = place
        try:
            secretsmanager_backends[account][region].describe_secret(request["SecretArn"])
        except SecretNotFoundException as error:
            raise ValidationException("Secrets Manager can't find the specified secret.") from error
    user_id = _user_id()
    with _lock:
        if token and (user_id, token) in _by_token:
            return _by_token[user_id, token], False
        batch = Batch.of(request, texts)
        _batches[batch.whole.id] = batch
        if user_id:
            owners.remember_statement(batch.whole.id, user_id)
        if token:
            _by_token[user_id, token] = batch
    return batch, True


def _user_id() -> str | None:
    """Return the `aws:userid` of the session whose request is answered; None for one that no role limits."""
    session = execution.caller(http_request.environ)
    return session.user_id if session else None


def _warehouse(request: dict[str, Any]) -> str:
    """Return the name of a workgroup, or that of a cluster with a prefix that no workgroup's name has."""
    return request["WorkgroupName"] or f"cluster:{request['ClusterIdentifier']}"


def _describe_statement(response: Response) -> ActionResult:
    batch, statement = _found(response._get_param("Id"))  # noqa: SLF001 - moto's way
    told = {name: value for name, value in batch.request.items() if name in _TOLD and value}
    if statement is batch.whole:
        told["SubStatements"] = [_description(part) for part in batch.parts]
        told["HasResultSet"] = any(part.columns is not None for part in batch.parts)
    return ActionResult(_description(statement) | told)


def _description(statement: Statement) -> dict[str, Any]:
    lasted = statement.updated_at - statement.created_at
    return {
        "Id": statement.id,
        "Status": statement.status,
        "QueryString": statement.text,
        "CreatedAt": statement.created_at,
        "UpdatedAt": statement.updated_at,
        "Duration": round(lasted.total_seconds() * 1e9),
        "HasResultSet": statement.columns is not None,
        "ResultRows": statement.affected,
        "ResultSize": -1,
        **({"Error": statement.error} if statement.error else {}),
    }


def _get_statement_result(response: Response) -> ActionResult:
    batch, statement = _found(response._get_param("Id"))  # noqa: SLF001 - moto's way
    if statement is batch.whole and len(batch.parts) == 1:
        (statement,) = batch.parts
    if batch.whole.status != FINISHED or statement.columns is None:
        raise ResourceNotFoundException
    start = int(response._get_param("NextToken") or 0)  # noqa: SLF001
    page = statement.rows[start : start + _PAGE]
    following = {"NextToken": str(start + _PAGE)} if start + _PAGE < len(statement.rows) else {}
    return ActionResult(
        {
            "ColumnMetadata": [{"name": name, "label": name} for name in statement.columns],
            "Records": [[cell(value) for value in row] for row in page],
            "TotalNumRows": len(statement.rows),
            **following,
        }
    )


def _list_statements(response: Response) -> ActionResult:
    """List finished statements, or those with the status that was asked for, by the beginning of their name.

    A session is told of those of its role, or with RoleLevel false of its own.
    """
    caller = _user_id()
    by_role = response._get_param("RoleLevel") is not False  # noqa: SLF001 - moto's way
    wanted = response._get_param("Status") or FINISHED  # noqa: SLF001
    beginning = response._get_param("StatementName") or ""  # noqa: SLF001
    found = [
        {
            "Id": batch.whole.id,
            "Status": batch.whole.status,
            "StatementName": batch.request["StatementName"] or "",
            "QueryStrings": [part.text for part in batch.parts],
            "IsBatchStatement": len(batch.parts) > 1,
            "CreatedAt": batch.whole.created_at,
            "UpdatedAt": batch.whole.updated_at,
        }
        for batch in reversed(_batches.values())
        if wanted in {"ALL", batch.whole.status}
        and (batch.request["StatementName"] or "").startswith(beginning)
        and (caller is None or _same(caller, owners.of_statement(batch.whole.id), by_role=by_role))
    ]
    return ActionResult({"Statements": found})


def _same(caller: str, owner: str | None, *, by_role: bool) -> bool:
    """Whether two sessions are the same one, or `by_role` of the same role, whose id begins theirs."""
    if by_role and owner:
        return owner.partition(":")[0] == caller.partition(":")[0]
    return owner == caller


def _cancel_statement(response: Response) -> ActionResult:
    batch, _ = _found(response._get_param("Id"))  # noqa: SLF001 - moto's way
    if not batch.cancel():
        raise ValidationException(f"Could not cancel a query that is already in {batch.whole.status} state.")
    return ActionResult({"Status": True})


def _found(identifier: str) -> tuple[Batch, Statement]:
    """Return a batch, and the statement in it that `identifier` means: itself, or the one of its number."""
    batch = _batches.get(identifier.partition(":")[0])
    for statement in (batch.whole, *batch.parts) if batch else ():
        if batch and statement.id == identifier:
            return batch, statement
    raise ResourceNotFoundException

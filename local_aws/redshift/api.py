"""The operations of the Data API, which moto only mocks."""

import re
from functools import partial
from typing import Any, ClassVar, override

from flask import request as http_request
from moto.core.responses import ActionResult
from moto.redshiftdata.exceptions import ResourceNotFoundException, ValidationException
from moto.redshiftdata.models import RedshiftDataAPIServiceBackend
from moto.redshiftdata.responses import RedshiftDataAPIServiceResponse
from moto.secretsmanager import secretsmanager_backends
from moto.secretsmanager.exceptions import SecretNotFoundException

from local_aws import mounting, offsets
from local_aws.gate import execution
from local_aws.redshift.batches import DatabaseUrls, StatementBatches
from local_aws.redshift.statements import FINISHED, DataStatement, cell

_MOST_STATEMENTS, _MOST_BYTES = 40, 100 * 1024
_PAGE = 1000
_NAME = re.compile(r"[a-z0-9-]+")
_TARGET = ("WorkgroupName", "ClusterIdentifier", "Database", "SecretArn", "DbUser")


class LocalDataBackend(RedshiftDataAPIServiceBackend):  # type: ignore[misc] # moto is not typed
    """The Data API; `mount` gives its statements, which are the same in every region."""

    batches: ClassVar[StatementBatches]


class LocalDataResponse(RedshiftDataAPIServiceResponse):  # type: ignore[misc] # moto is not typed
    """The operations of the Data API."""

    @property
    def _batches(self) -> StatementBatches:
        batches: StatementBatches = self.redshiftdata_backend.batches
        return batches

    @override
    def execute_statement(self) -> ActionResult:
        """Handle ExecuteStatement."""
        return self._submit([self._get_param("Sql")])

    def batch_execute_statement(self) -> ActionResult:
        """Handle BatchExecuteStatement."""
        return self._submit(self._get_param("Sqls"))

    def _submit(self, texts: list[str]) -> ActionResult:
        request = {name: self._get_param(name) for name in (*_TARGET, "StatementName")}
        _check(request, texts)
        self._check_secret(request["SecretArn"])
        batch, new = self._batches.submit(request, texts, self._get_param("ClientToken"), _user_id())
        if new:
            url = partial(self._batches.databases, _warehouse(request), request["Database"])
            batch.start(url, self.current_account)
        return ActionResult({"Id": batch.whole.id, "CreatedAt": batch.whole.created_at} | _target(request))

    def _check_secret(self, arn: str | None) -> None:
        if arn:
            try:
                secretsmanager_backends[self.current_account][self.region].describe_secret(arn)
            except SecretNotFoundException as error:
                raise ValidationException("Secrets Manager can't find the specified secret.") from error

    @override
    def describe_statement(self) -> ActionResult:
        """Handle DescribeStatement."""
        batch, statement = self._batches.find(self._get_param("Id"))
        description = _description(statement) | _target(batch.request)
        if statement is batch.whole:
            description["SubStatements"] = [_description(part) for part in batch.parts]
            description["HasResultSet"] = any(part.columns is not None for part in batch.parts)
        return ActionResult(description)

    @override
    def get_statement_result(self) -> ActionResult:
        """Handle GetStatementResult."""
        try:
            start = offsets.parse(self._get_param("NextToken"))
        except ValueError as error:
            raise ValidationException(str(error)) from error
        batch, statement = self._batches.find(self._get_param("Id"))
        if statement is batch.whole and len(batch.parts) == 1:
            (statement,) = batch.parts
        if batch.whole.status != FINISHED or statement.columns is None:
            raise ResourceNotFoundException
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

    def list_statements(self) -> ActionResult:
        """List finished statements, or those with the requested status, by the beginning of their name.

        A session is shown those of its role, or with RoleLevel false its own.
        """
        caller = _user_id()
        by_role = self._get_param("RoleLevel") is not False
        status = self._get_param("Status") or FINISHED
        beginning = self._get_param("StatementName") or ""
        listed = [
            {
                "Id": batch.whole.id,
                "Status": batch.whole.status,
                "StatementName": batch.request["StatementName"] or "",
                "QueryStrings": [part.text for part in batch.parts],
                "IsBatchStatement": len(batch.parts) > 1,
                "CreatedAt": batch.whole.created_at,
                "UpdatedAt": batch.whole.updated_at,
            }
            for batch in self._batches.newest_first()
            if status in {"ALL", batch.whole.status}
            and (batch.request["StatementName"] or "").startswith(beginning)
            and (caller is None or _same(caller, batch.user_id, by_role=by_role))
        ]
        return ActionResult({"Statements": listed})

    @override
    def cancel_statement(self) -> ActionResult:
        """Handle CancelStatement."""
        batch, _ = self._batches.find(self._get_param("Id"))
        if not batch.cancel():
            raise ValidationException(f"Could not cancel a query that is already in {batch.whole.status} state.")
        return ActionResult({"Status": True})


def mount(databases: DatabaseUrls) -> None:
    """Mount the Data API, whose statements run in the databases that `databases` returns."""
    batches = StatementBatches(databases)
    mounting.mount("redshift-data", backend=LocalDataBackend, response=LocalDataResponse, batches=batches)


def _check(request: dict[str, Any], texts: list[str]) -> None:
    """Raise ValidationException for a request that names no target, or too many or too long statements."""
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


def _target(request: dict[str, Any]) -> dict[str, Any]:
    """Return the parameters of a request by which it names its database and its login."""
    return {name: value for name, value in request.items() if name in _TARGET and value}


def _user_id() -> str | None:
    """Return the `aws:userid` of the session that makes the request; None for one that no role limits."""
    session = execution.caller(http_request.environ)
    return session.user_id if session else None


def _warehouse(request: dict[str, Any]) -> str:
    """Return the name of a workgroup, or that of a cluster with a prefix that no workgroup's name has."""
    return request["WorkgroupName"] or f"cluster:{request['ClusterIdentifier']}"


def _description(statement: DataStatement) -> dict[str, Any]:
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


def _same(caller: str, owner: str | None, *, by_role: bool) -> bool:
    """Whether two sessions are the same one, or `by_role` of the same role, whose id begins theirs."""
    if by_role and owner:
        return owner.partition(":")[0] == caller.partition(":")[0]
    return owner == caller

"""A last check before moto executes an operation: it must be the operation that was authorized."""

from collections.abc import Callable
from typing import Any, override

from flask import request
from moto.core.authorization import ActionAuthenticatorMixin

from local_aws.gate.signatures import S3
from local_aws.iam import AccessDeniedError, Call, Session, s3_operations
from local_aws.iam.calls import AUTHORIZED_CALL
from local_aws.wsgi import Environ

_CALLER = "totelake.caller"
_PERMISSIONS = {"HeadBucket": "ListBucket", "SelectObject": "GetObject"}
"""moto names S3 operations by their permission, except these."""


class CheckedResponse(ActionAuthenticatorMixin):  # type: ignore[misc] # moto is not typed
    """A response that checks each operation just before it is executed."""

    @override
    def _authenticate_and_authorize_action(self, iam_request_cls: type, resource: str = "*") -> None:
        _check(self, resource)


def for_owner_only(handler: Callable[..., Any]) -> Callable[..., Any]:
    """Return a handler that raises AccessDeniedError for roles: for one outside of a response nothing is checked."""

    def handle(*arguments: Any, **named: Any) -> Any:
        session = caller(request.environ)
        if session is not None:
            raise AccessDeniedError(session.arn, request.path, handler.__name__)
        return handler(*arguments, **named)

    return handle


def expect(environ: Environ, call: Call, session: Session | None) -> None:
    """Record the authorized call of a request and its session, None for the owner of the world."""
    environ[AUTHORIZED_CALL], environ[_CALLER] = call, session


def caller(environ: Environ) -> Session | None:
    """Return the role session that sent a request; None for the owner or an IAM user."""
    session: Session | None = environ.get(_CALLER)
    return session


def is_of_role(environ: Environ) -> bool:
    """Return whether a request was sent by a role session."""
    return caller(environ) is not None


def _check(response: ActionAuthenticatorMixin, resource: str) -> None:
    """Raise AccessDeniedError when moto executes another operation of a role than was authorized."""
    environ = response.normalized_request.environ
    session = caller(environ)
    if session is None:
        return
    call: Call = environ[AUTHORIZED_CALL]
    executed = (response.boto3_service_name, response._get_action(), response.region, response.current_account)  # noqa: SLF001
    if call.service != S3:
        is_authorized = executed == (call.service, call.operation, call.region, call.account)
    else:
        bucket, _, key = resource.removeprefix(s3_operations.bucket_arn("")).partition("/")
        authorized_actions = {need.action for need in s3_operations.needs(call) or ()}
        action = f"s3:{_PERMISSIONS.get(executed[1], executed[1])}"
        is_authorized = (
            bool({action, f"{action}Version"} & authorized_actions)
            and bucket in {call["Bucket"], "*"}
            and key in {call["Key"], ""}
        )
    if not is_authorized:
        raise AccessDeniedError(session.arn, str(call), f"{executed[0]}:{executed[1]} {resource}")

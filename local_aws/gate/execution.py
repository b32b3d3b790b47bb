"""What moto is about to carry out is held against what was judged, at the last moment before it does."""

from moto.core.authorization import ActionAuthenticatorMixin

from local_aws.gate.signatures import S3, Environ
from local_aws.iam import AccessDeniedError, Call, Session, s3_operations
from local_aws.iam.calls import JUDGED

_CALLER = "totelake.caller"
_PERMISSIONS = {"HeadBucket": "ListBucket", "SelectObject": "GetObject"}
"""moto names what it does in S3 by its permission, but for these."""


def install() -> None:
    """Have moto ask before each operation; may be called again."""
    ActionAuthenticatorMixin._authenticate_and_authorize_action = _check  # noqa: SLF001 - it is there to be replaced


def expect(environ: Environ, call: Call, session: Session | None) -> None:
    """Note what was judged of a request, and for whom: the owner of the world has no session."""
    environ[JUDGED], environ[_CALLER] = call, session


def caller(environ: Environ) -> Session | None:
    """Return the session that has made a request; None for one that no role limits."""
    session: Session | None = environ.get(_CALLER)
    return session


def is_of_role(environ: Environ) -> bool:
    """Whether a role has made a request, and not the owner of the world."""
    return caller(environ) is not None


def _check(response: ActionAuthenticatorMixin, _request_class: type, resource: str = "*") -> None:
    """Raise AccessDeniedError when a role's request is not carried out as it was judged."""
    environ = response.normalized_request.environ
    session = caller(environ)
    if session is None:
        return
    call: Call = environ[JUDGED]
    done = (response.boto3_service_name, response._get_action(), response.region, response.current_account)  # noqa: SLF001
    if call.service != S3:
        is_same = done == (call.service, call.operation, call.region, call.account)
    else:
        bucket, _, key = resource.removeprefix(s3_operations.bucket_arn("")).partition("/")
        judged = {need.action for need in s3_operations.needs(call) or ()}
        action = f"s3:{_PERMISSIONS.get(done[1], done[1])}"
        is_judged = bool({action, f"{action}Version"} & judged)
        is_same = is_judged and bucket in {call["Bucket"], "*"} and key in {call["Key"], ""}
    if not is_same:
        raise AccessDeniedError(session.arn, str(call), f"{done[0]}:{done[1]} {resource}")

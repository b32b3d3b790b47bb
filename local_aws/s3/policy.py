"""Bucket policies with their conditions, which moto leaves out: it takes "deny what comes without TLS" for "deny all".

A Deny counts when all its conditions are known here and true. A statement with a condition that this endpoint cannot
judge is passed over, and the log says so once; so is one that is not for everybody. AWS may then refuse what passes.
A Deny with a variable in its resources that is not known here is about every resource, and the log says that too.
"""

import logging
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

from flask import has_request_context, request
from moto.iam.access_control import PermissionResult
from moto.s3.exceptions import S3AccessDeniedError
from moto.s3.models import FakeBucket, s3_backends

from local_aws.iam import Call, policies
from local_aws.iam.calls import JUDGED, PARTITION
from local_aws.iam.conditions import Context, fulfilled, listed, require_known
from local_aws.iam.errors import UnjudgeableError
from local_aws.iam.s3_operations import bucket_arn, needs, settings
from local_aws.s3.errors import DeniedByBucketError

_DENIED = "totelake.denied"
_OF_POLICIES = {"GetBucketPolicy", "PutBucketPolicy", "DeleteBucketPolicy"}
"""Operations by which a policy is mended that denies everything."""

_ALWAYS = {"aws:securetransport": "true"}
"""What every request has: the endpoint is bound to the loopback device, so what comes to it counts as safe."""

log = logging.getLogger(__name__)


def check(call: Call, environ: dict[str, Any]) -> None:
    """Raise `DeniedByBucketError` when the policy of a bucket denies what a call needs of it.

    Of the keys of a DeleteObjects request some may be denied, which S3 tells of each: they are noted in `environ`.
    """
    if call.operation in _OF_POLICIES:
        return
    known = {**_ALWAYS, "aws:principalaccount": call.account}
    found = [
        (need.action, resource)
        for need in needs(call) or settings(call)
        for resource in need.resources
        if (bucket := _bucket(call, resource)) and _denied(bucket, need.action, resource, {**known, **need.context})
    ]
    if call.operation == "DeleteObjects":
        environ[_DENIED] = {resource for _, resource in found}
    elif found:
        raise DeniedByBucketError(*found[0])


def region_of(call: Call) -> str | None:
    """Return the region of the bucket that a call is about; None where there is none."""
    bucket = _bucket(call, bucket_arn(call["Bucket"]))
    return str(bucket.region_name) if bucket else None


def _bucket(call: Call, resource: str) -> FakeBucket | None:
    name = resource.removeprefix(bucket_arn("")).partition("/")[0]
    return s3_backends[call.account][PARTITION].buckets.get(name)


def permission(_bucket: FakeBucket, _action: str, resource: str) -> PermissionResult:
    """Return what the policy of a bucket says to the deletion of one key among several.

    A stand-in for FakeBucket.get_permission, which moto asks of other requests as well: `check` has judged them.
    """
    denied = has_request_context() and resource in request.environ.get(_DENIED, ())
    return PermissionResult.DENIED if denied else PermissionResult.NEUTRAL


def require_judged(bucket: str, objects: Iterable[tuple[str, str]]) -> None:
    """Raise S3AccessDeniedError for keys and versions in the body of a request that are not those it was judged by."""
    call: Call | None = request.environ.get(JUDGED) if has_request_context() else None
    if call is None:
        return
    judged = call.parameters.get("Keys", [(call["Key"], call["VersionId"])])
    if call["Bucket"] != bucket or not set(objects) <= set(judged):
        raise S3AccessDeniedError


def _denied(bucket: FakeBucket, action: str, resource: str, context: Context) -> bool:
    """Whether a statement of the bucket's policy applies that denies."""
    statements = policies.statements(bucket.policy.decode()) if bucket.policy else ()
    return any(each["Effect"] == "Deny" and _applies(each, action, resource, context) for each in statements)


def _applies(statement: Mapping[str, Any], action: str, resource: str, context: Context) -> bool:
    return (
        _everybody(statement.get("Principal"))
        and policies.names(statement, "Action", action)
        and _is_about(statement, resource, context)
        and _fulfilled(statement, context)
    )


def _everybody(principal: Any) -> bool:
    """Whether a statement is for everybody: whose credentials a request carries is not judged here."""
    return principal == "*" or (isinstance(principal, dict) and "*" in listed(principal.get("AWS")))


def _is_about(statement: Mapping[str, Any], resource: str, context: Context) -> bool:
    """Whether a statement names a resource; with a variable that is not known it may name any."""
    try:
        return policies.is_about(statement, resource, context)
    except UnjudgeableError as error:
        _tell(_name(statement), f"taken to be about every resource: {error.part}")
        return True


def _fulfilled(statement: Mapping[str, Any], context: Context) -> bool:
    conditions = statement.get("Condition", {})
    try:
        require_known(conditions, context)
        return fulfilled(conditions, context)
    except UnjudgeableError as error:
        _tell(_name(statement), f"passed over: {error.part}")
        return False


def _name(statement: Mapping[str, Any]) -> str:
    return str(statement.get("Sid", statement["Effect"]))


@lru_cache
def _tell(statement: str, outcome: str) -> None:
    log.warning("the bucket policy statement %s is %s cannot be judged here", statement, outcome)

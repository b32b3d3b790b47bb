"""Bucket policies with their conditions, which moto ignores: it takes "deny requests without TLS" for "deny all".

A Deny applies when all its conditions are supported and met. A statement with an unsupported condition is skipped,
which is logged once, and so is one that is not for all principals: AWS may deny more than this endpoint does. A Deny
with an unsupported variable in its resources covers every resource, which is logged too.
"""

import logging
from collections.abc import Iterable, Mapping
from typing import Any

from flask import has_request_context, request
from moto.iam.access_control import PermissionResult
from moto.s3.exceptions import S3AccessDeniedError
from moto.s3.models import FakeBucket, s3_backends

from local_aws.iam import Call, policies
from local_aws.iam.calls import AUTHORIZED_CALL, PARTITION
from local_aws.iam.conditions import Context, are_met, as_list, require_known_keys
from local_aws.iam.errors import UnsupportedPolicyError
from local_aws.iam.s3_operations import bucket_arn, needs, settings
from local_aws.s3.errors import DeniedByBucketError

_DENIED = "totelake.denied"
_POLICY_OPERATIONS = {"GetBucketPolicy", "PutBucketPolicy", "DeleteBucketPolicy"}
"""Operations to repair a policy that denies everything; no bucket policy denies them."""

_CONTEXT = {"aws:securetransport": "true"}
"""The condition keys of every request: the endpoint is bound to the loopback device, which counts as secure."""

log = logging.getLogger(__name__)


def check(call: Call, environ: dict[str, Any]) -> None:
    """Raise `DeniedByBucketError` when a bucket policy denies an action that a call needs.

    S3 reports denied keys of a DeleteObjects request one by one, so they are recorded in `environ`.
    """
    if call.operation in _POLICY_OPERATIONS:
        return
    context = {**_CONTEXT, "aws:principalaccount": call.account}
    denied = [
        (need.action, resource)
        for need in needs(call) or settings(call)
        for resource in need.resources
        if (bucket := _bucket(call, resource))
        and _is_denied(bucket, need.action, resource, {**context, **need.context})
    ]
    if call.operation == "DeleteObjects":
        environ[_DENIED] = {resource for _, resource in denied}
    elif denied:
        raise DeniedByBucketError(*denied[0])


def region_of(call: Call) -> str | None:
    """Return the region of a call's bucket; None when the bucket does not exist."""
    bucket = _bucket(call, bucket_arn(call["Bucket"]))
    return str(bucket.region_name) if bucket else None


def _bucket(call: Call, resource: str) -> FakeBucket | None:
    name = resource.removeprefix(bucket_arn("")).partition("/")[0]
    return s3_backends[call.account][PARTITION].buckets.get(name)


def permission(resource: str) -> PermissionResult:
    """Return the verdict of `check` on one key of a DeleteObjects request."""
    denied = has_request_context() and resource in request.environ.get(_DENIED, ())
    return PermissionResult.DENIED if denied else PermissionResult.NEUTRAL


def require_authorized(bucket: str, objects: Iterable[tuple[str, str]]) -> None:
    """Raise S3AccessDeniedError when the bucket, keys or versions are not those that were authorized."""
    call: Call | None = request.environ.get(AUTHORIZED_CALL) if has_request_context() else None
    if call is None:
        return
    authorized = call.parameters.get("Keys", [(call["Key"], call["VersionId"])])
    if call["Bucket"] != bucket or not set(objects) <= set(authorized):
        raise S3AccessDeniedError


def _is_denied(bucket: FakeBucket, action: str, resource: str, context: Context) -> bool:
    """Return whether a Deny statement of the bucket's policy applies."""
    statements = policies.statements(bucket.policy.decode()) if bucket.policy else ()
    return any(each["Effect"] == "Deny" and _applies(each, action, resource, context) for each in statements)


def _applies(statement: Mapping[str, Any], action: str, resource: str, context: Context) -> bool:
    return (
        _is_for_all(statement.get("Principal"))
        and policies.matches_element(statement, "Action", action)
        and _covers_resource(statement, resource, context)
        and _conditions_met(statement, context)
    )


def _is_for_all(principal: Any) -> bool:
    """Return whether a statement is for all principals: others are not supported."""
    return principal == "*" or (isinstance(principal, dict) and "*" in as_list(principal.get("AWS")))


def _covers_resource(statement: Mapping[str, Any], resource: str, context: Context) -> bool:
    """Return whether a statement covers a resource; with an unsupported variable it covers all."""
    try:
        return policies.covers_resource(statement, resource, context)
    except UnsupportedPolicyError as error:
        _warn_once(_name(statement), f"applied to every resource: {error.element}")
        return True


def _conditions_met(statement: Mapping[str, Any], context: Context) -> bool:
    conditions = statement.get("Condition", {})
    try:
        require_known_keys(conditions, context)
        return are_met(conditions, context)
    except UnsupportedPolicyError as error:
        _warn_once(_name(statement), f"skipped: {error.element}")
        return False


def _name(statement: Mapping[str, Any]) -> str:
    return str(statement.get("Sid", statement["Effect"]))


def _warn_once(statement: str, outcome: str) -> None:
    reported: set[tuple[str, str]] = s3_backends.backend.reported
    if (statement, outcome) in reported:
        return
    reported.add((statement, outcome))
    log.warning("the bucket policy statement %s is %s is not supported", statement, outcome)

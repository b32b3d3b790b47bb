"""Bucket policies with their conditions, which moto leaves out: it takes "deny what comes without TLS" for "deny all".

A Deny counts when all its conditions are known here and true. A statement with a condition that this endpoint cannot
judge is passed over, and the log says so once; so is one that is not for everybody. AWS may then refuse what passes.
"""

import logging
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from flask import has_request_context, request
from moto.iam.access_control import PermissionResult
from moto.s3.models import FakeBucket

from local_aws.iam import policies
from local_aws.iam.conditions import Context, fulfilled, listed
from local_aws.iam.errors import UnjudgeableError
from local_aws.iam.requests import keys_to_delete

log = logging.getLogger(__name__)


def permission(bucket: FakeBucket, action: str, resource: str) -> PermissionResult:
    """Return what the policy of `bucket` says to the request in progress; a stand-in for FakeBucket.get_permission."""
    if bucket.policy is None or not has_request_context():
        return PermissionResult.NEUTRAL
    if "delete" not in request.args or request.method != "POST":
        action = _action(request.method, request.args)
    elif resource.partition("/")[2] in _keys_with_version(request.get_data()):
        action = "s3:DeleteObjectVersion"
    context = _context(action, request.headers, request.args)
    effects = set(_effects(bucket.policy, action, resource, context))
    if "Deny" in effects:
        return PermissionResult.DENIED
    return PermissionResult.PERMITTED if "Allow" in effects else PermissionResult.NEUTRAL


@lru_cache(maxsize=8)
def _keys_with_version(body: bytes) -> frozenset[str]:
    """Return the keys of which a DeleteObjects request names a version."""
    return frozenset(key for key, version in keys_to_delete(body) if version)


def _effects(policy: bytes, action: str, resource: str, context: Context) -> list[str]:
    """Return the effects of the statements that apply."""
    statements = policies.statements(policy.decode())
    return [each["Effect"] for each in statements if _applies(each, action, resource, context)]


def _applies(statement: Mapping[str, Any], action: str, resource: str, context: Context) -> bool:
    return (
        _everybody(statement.get("Principal"))
        and policies.names(statement, "Action", action)
        and policies.names(statement, "Resource", resource)
        and _fulfilled(statement, context)
    )


def _everybody(principal: Any) -> bool:
    """Whether a statement is for everybody: whose credentials a request carries is not judged here."""
    return principal == "*" or (isinstance(principal, dict) and "*" in listed(principal.get("AWS")))


def _fulfilled(statement: Mapping[str, Any], context: Context) -> bool:
    conditions = statement.get("Condition", {})
    sid = str(statement.get("Sid", statement["Effect"]))
    for operator, tests in conditions.items():
        for key in tests:
            if not _KNOWN.fullmatch(key.lower()):
                _tell(sid, f"{operator} of {key}")
                return False
    try:
        return fulfilled(conditions, context)
    except UnjudgeableError as error:
        _tell(sid, error.part)
        return False


@lru_cache
def _tell(statement: str, reason: str) -> None:
    log.warning("the bucket policy statement %s is passed over: %s cannot be judged here", statement, reason)


def _context(action: str, headers: Mapping[str, str], arguments: Mapping[str, str]) -> dict[str, str]:
    """Return the condition keys of a request.

    The endpoint is bound to the loopback device, so what comes to it counts as having come safely.
    """
    parts = "uploadId" in arguments and "partNumber" in arguments
    creates = action == "s3:PutObject" and not parts and "uploads" not in arguments
    context = {"aws:securetransport": "true", "s3:objectcreationoperation": str(creates).lower()}
    for name in ("If-None-Match", "If-Match"):
        if name in headers:
            context[f"s3:{name.lower()}"] = headers[name]
    context |= {f"s3:{name.lower()}": value for name, value in headers.items() if name.lower().startswith("x-amz-")}
    if "versionId" in arguments:
        context["s3:versionid"] = arguments["versionId"]
    return context


_KNOWN = re.compile(
    r"aws:securetransport|s3:(objectcreationoperation|if-none-match|if-match|versionid|x-amz-[a-z0-9-]+)"
)


def _action(method: str, arguments: Mapping[str, str]) -> str:
    """Return the permission that a request on an object needs."""
    for argument, action in _ACTIONS[method]:
        if argument in arguments:
            return action
    return _ACTIONS[method][-1][1]


_READ = (
    ("uploadId", "s3:ListMultipartUploadParts"),
    ("acl", "s3:GetObjectAcl"),
    ("tagging", "s3:GetObjectTagging"),
    ("retention", "s3:GetObjectRetention"),
    ("legal-hold", "s3:GetObjectLegalHold"),
    ("versionId", "s3:GetObjectVersion"),
    ("", "s3:GetObject"),
)
_ACTIONS = {
    "GET": _READ,
    "HEAD": _READ,
    "OPTIONS": _READ,
    "PUT": (
        ("acl", "s3:PutObjectAcl"),
        ("tagging", "s3:PutObjectTagging"),
        ("retention", "s3:PutObjectRetention"),
        ("legal-hold", "s3:PutObjectLegalHold"),
        ("", "s3:PutObject"),
    ),
    "POST": (("restore", "s3:RestoreObject"), ("select", "s3:GetObject"), ("", "s3:PutObject")),
    "DELETE": (
        ("uploadId", "s3:AbortMultipartUpload"),
        ("tagging", "s3:DeleteObjectTagging"),
        ("versionId", "s3:DeleteObjectVersion"),
        ("", "s3:DeleteObject"),
    ),
}

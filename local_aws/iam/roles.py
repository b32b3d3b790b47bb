"""The roles of moto's IAM, and the sessions that assume them."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from moto.iam.exceptions import NotFoundException
from moto.iam.models import iam_backends
from moto.sts.models import sts_backends

from local_aws.iam import operations, session_policies
from local_aws.iam.calls import PARTITION, Call, Need
from local_aws.iam.conditions import Context
from local_aws.iam.errors import (
    AccessDeniedError,
    InvalidTokenError,
    NotTrustedError,
    UnknownOperationError,
    UnsupportedPolicyError,
)
from local_aws.iam.policies import PolicyDecision, trusts, verdict

TEMPORARY_KEY_PREFIX = "ASIA"
"""The prefix of the access keys of sessions."""

_SESSION_SECONDS = 12 * 60 * 60
"""The lifetime of a session; on AWS, Glue renews the credentials of a long run, here they last long enough."""


@dataclass(frozen=True, slots=True)
class Session:
    """A session of an assumed role, with its temporary credentials.

    Its session `policy`, if any, restricts the role's policies.
    """

    account: str
    role: str
    name: str
    access_key: str
    secret_key: str = field(repr=False)
    token: str = field(repr=False)
    role_id: str = ""
    policy: str | None = None

    @property
    def arn(self) -> str:
        """The ARN of the assumed role, with the name of the session."""
        return f"arn:{PARTITION}:sts::{self.account}:assumed-role/{self.role}/{self.name}"

    def environment(self) -> dict[str, str]:
        """Return the environment variables by which an AWS client uses this session."""
        return {
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            "AWS_SESSION_TOKEN": self.token,
        }

    @property
    def user_id(self) -> str:
        """The unique id of the session, as in `aws:userid`."""
        return f"{self.role_id}:{self.name}"

    def documents(self) -> list[str]:
        """Return the role's current policies. A deleted role has none, even if a new role has its name."""
        role = self._role()
        if role is None:
            return []
        versions = [version for policy in role.managed_policies.values() for version in policy.versions]
        return [*role.policies.values(), *(version.document for version in versions if version.is_default)]

    def boundary(self) -> str | None:
        """Return the role's permissions boundary, which limits its policies; None if it has none.

        Raises UnsupportedPolicyError when the boundary has been deleted.
        """
        role = self._role()
        arn = role.permissions_boundary_arn if role else None
        if not arn:
            return None
        try:
            policy = iam_backends[self.account][PARTITION].get_policy(arn)
        except NotFoundException as error:
            raise UnsupportedPolicyError(f"The permissions boundary {arn}, which does not exist,") from error
        return str(next(version.document for version in policy.versions if version.is_default))

    def _role(self) -> Any:
        """Return moto's role of this session; None if it has been deleted."""
        try:
            role = iam_backends[self.account][PARTITION].get_role(self.role)
        except NotFoundException:
            return None
        return role if role.id == self.role_id else None

    def authorize(self, call: Call) -> None:
        """Raise AccessDeniedError or another IamError unless the policies allow everything that a call needs."""
        needs = operations.needs(call)
        if needs is None:
            raise UnknownOperationError(self.arn, str(call))
        if needs:
            self._require(needs, {"aws:requestedregion": call.region})

    def allows(self, need: Need, request: Context | None = None) -> bool:
        """Return whether the policies allow an action, given the condition keys `request`."""
        try:
            self._require([need], request or {})
        except (AccessDeniedError, UnsupportedPolicyError):
            return False
        return True

    def _require(self, needs: Iterable[Need], request: Context) -> None:
        policies = [(self.documents(), "identity-based policy")]
        if boundary := self.boundary():
            policies.append(([boundary], "permissions boundary"))
        if self.policy:
            policies.append(([self.policy], "session policy"))
        context = {
            "aws:principalaccount": self.account,
            "aws:securetransport": "true",  # the loopback device counts as secure transport
            "aws:userid": self.user_id,
            **request,
        }
        for need in needs:
            if not need.resources:
                raise AccessDeniedError(self.arn, need.action, "(the call names none)")
            for resource in need.resources:
                for documents, kind in policies:
                    result = verdict(documents, need.action, resource, {**context, **need.context})
                    if result is not PolicyDecision.ALLOWED:
                        explicitly = result is PolicyDecision.DENIED
                        raise AccessDeniedError(self.arn, need.action, resource, kind, explicitly=explicitly)


def assume(
    role: str, *, service: str, source_arn: str, account: str, region: str, name: str, policy: str | None = None
) -> Session:
    """Assume a role, by name or ARN, as a `service` on behalf of the resource `source_arn`; return the session.

    The session may do what both the role's policies and its session `policy` allow.

    Raises NotTrustedError unless the role's trust policy allows the service.
    """
    role_name = role.rpartition("/")[2]
    arn = f"arn:{PARTITION}:iam::{account}:role/{role_name}"
    try:
        moto_role = iam_backends[account][PARTITION].get_role(role_name)
    except NotFoundException as error:
        raise NotTrustedError(arn, service, source_arn) from error
    context: Context = {"aws:sourcearn": source_arn, "aws:sourceaccount": account}
    if not trusts(moto_role.assume_role_policy_document, service, context):
        raise NotTrustedError(moto_role.arn, service, source_arn)
    assumed = sts_backends[account][PARTITION].assume_role(region, name, moto_role.arn, "", _SESSION_SECONDS, "")
    session_policies.record_limits(assumed, policy)
    return _session(assumed)


def session(access_key: str, token: str | None) -> Session:
    """Return the session of temporary credentials; raises InvalidTokenError when they are unknown or expired."""
    for assumed in _assumed_roles():
        if assumed.access_key_id == access_key:
            if assumed.session_token != token:
                break
            if assumed.expiration.replace(tzinfo=UTC) < datetime.now(UTC):
                raise InvalidTokenError(expired=True)
            if not getattr(assumed, "role_id", None):
                raise InvalidTokenError  # the role did not exist
            if assumed.managed_policies:
                raise UnsupportedPolicyError(f"The managed session policies of {assumed.arn}")
            return _session(assumed)
    raise InvalidTokenError


def _assumed_roles() -> Iterator[Any]:
    for account in list(sts_backends.values()):
        yield from list(account[PARTITION].assumed_roles)


def _session(assumed: Any) -> Session:
    return Session(
        account=assumed.account_id,
        role=assumed.role_arn.rpartition("/")[2],
        name=assumed.session_name,
        access_key=assumed.access_key_id,
        secret_key=assumed.secret_access_key,
        token=assumed.session_token,
        role_id=assumed.role_id,
        policy=assumed.policy,
    )

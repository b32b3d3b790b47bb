"""The roles of moto's IAM, and the sessions of those who have taken one."""

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
    UnjudgeableError,
    UnknownCallError,
)
from local_aws.iam.policies import Verdict, trusts, verdict

TEMPORARY = "ASIA"
"""How the access keys of sessions begin."""

_LONGEST = 12 * 60 * 60
"""Seconds that a session lasts; on AWS, Glue gives a long run fresh credentials, here it gets long ones."""


@dataclass(frozen=True, slots=True)
class Session:
    """A role that somebody has taken, and the temporary credentials for it.

    Its `policy`, where it has one, limits what those of the role allow.
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
        """Who acts: the assumed role, with the name of the session."""
        return f"arn:{PARTITION}:sts::{self.account}:assumed-role/{self.role}/{self.name}"

    def environment(self) -> dict[str, str]:
        """Return the variables by which a client of AWS acts as this session."""
        return {
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            "AWS_SESSION_TOKEN": self.token,
        }

    @property
    def user_id(self) -> str:
        """The unique id of who acts, as in `aws:userid`."""
        return f"{self.role_id}:{self.name}"

    def documents(self) -> list[str]:
        """Return the role's policies as they are now; raises UnjudgeableError when a boundary limits them.

        A role that is gone has none, whatever other one has its name.
        """
        try:
            role = iam_backends[self.account][PARTITION].get_role(self.role)
        except NotFoundException:
            return []
        if role.id != self.role_id:
            return []
        if role.permissions_boundary_arn:
            raise UnjudgeableError(f"The permissions boundary of the role {self.role}")
        versions = [version for policy in role.managed_policies.values() for version in policy.versions]
        return [*role.policies.values(), *(version.document for version in versions if version.is_default)]

    def authorize(self, call: Call) -> None:
        """Raise AccessDeniedError, or another IamError, unless the role's policies allow all that a call needs."""
        needs = operations.needs(call)
        if needs is None:
            raise UnknownCallError(self.arn, str(call))
        if needs:
            self._require(needs, {"aws:requestedregion": call.region})

    def allows(self, need: Need, request: Context | None = None) -> bool:
        """Whether the role's policies allow an action, whatever a request says beside the keys of `request`."""
        try:
            self._require([need], request or {})
        except (AccessDeniedError, UnjudgeableError):
            return False
        return True

    def _require(self, needs: Iterable[Need], request: Context) -> None:
        every = [(self.documents(), "identity-based policy")]
        if self.policy:
            every.append(([self.policy], "session policy"))
        always = {
            "aws:principalaccount": self.account,
            "aws:securetransport": "true",  # coming over the loopback device counts as having come safely
            "aws:userid": self.user_id,
            **request,
        }
        for need in needs:
            if not need.resources:
                raise AccessDeniedError(self.arn, need.action, "(the call names none)")
            for resource in need.resources:
                for documents, kind in every:
                    said = verdict(documents, need.action, resource, {**always, **need.context})
                    if said is not Verdict.ALLOWED:
                        denied = said is Verdict.DENIED
                        raise AccessDeniedError(self.arn, need.action, resource, kind, explicitly=denied)


def assume(
    role: str, *, service: str, source_arn: str, account: str, region: str, name: str, policy: str | None = None
) -> Session:
    """Take a role, by its name or ARN, as a `service` that comes on behalf of the resource `source_arn`.

    The session may do what both the role's policies and its own `policy` allow.

    Raises NotTrustedError unless the role's trust policy lets the service in.
    """
    short = role.rpartition("/")[2]
    arn = f"arn:{PARTITION}:iam::{account}:role/{short}"
    try:
        found = iam_backends[account][PARTITION].get_role(short)
    except NotFoundException as error:
        raise NotTrustedError(arn, service, source_arn) from error
    context: Context = {"aws:sourcearn": source_arn, "aws:sourceaccount": account}
    if not trusts(found.assume_role_policy_document, service, context):
        raise NotTrustedError(found.arn, service, source_arn)
    given = sts_backends[account][PARTITION].assume_role(region, name, found.arn, "", _LONGEST, "")
    session_policies.remember(given, policy)
    return _session(given)


def session(access_key: str, token: str | None) -> Session:
    """Return the session that temporary credentials are of; raises InvalidTokenError when they are of none."""
    for given in _given():
        if given.access_key_id == access_key:
            if given.session_token != token:
                break
            if given.expiration.replace(tzinfo=UTC) < datetime.now(UTC):
                raise InvalidTokenError(expired=True)
            if not getattr(given, "role_id", None):
                raise InvalidTokenError  # of a role that was not there
            if given.managed_policies:
                raise UnjudgeableError(f"The managed session policies of {given.arn}")
            return _session(given)
    raise InvalidTokenError


def _given() -> Iterator[Any]:
    for account in list(sts_backends.values()):
        yield from list(account[PARTITION].assumed_roles)


def _session(given: Any) -> Session:
    return Session(
        account=given.account_id,
        role=given.role_arn.rpartition("/")[2],
        name=given.session_name,
        access_key=given.access_key_id,
        secret_key=given.secret_access_key,
        token=given.session_token,
        role_id=given.role_id,
        policy=given.policy,
    )

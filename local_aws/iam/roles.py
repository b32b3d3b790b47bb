"""The roles of moto's IAM, and the sessions of those who have taken one."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from moto.iam.exceptions import NotFoundException
from moto.iam.models import iam_backends
from moto.sts.models import sts_backends

from local_aws.iam import operations
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
    """A role that somebody has taken, and the temporary credentials for it."""

    account: str
    role: str
    name: str
    access_key: str
    secret_key: str = field(repr=False)
    token: str = field(repr=False)

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
    def user_id(self) -> str | None:
        """The unique id of who acts, as in `aws:userid`; None where the role is gone."""
        role = self._role()
        return f"{role.id}:{self.name}" if role else None

    def documents(self) -> list[str]:
        """Return the role's policies as they are now; raises UnjudgeableError when a boundary limits them."""
        role = self._role()
        if role is None:
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

    def allows(self, need: Need) -> bool:
        """Whether the role's policies allow an action apart from any call, so whatever else a request says."""
        try:
            self._require([need], {})
        except (AccessDeniedError, UnjudgeableError):
            return False
        return True

    def _require(self, needs: Iterable[Need], request: Context) -> None:
        documents = self.documents()
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
                said = verdict(documents, need.action, resource, {**always, **need.context})
                if said is not Verdict.ALLOWED:
                    denied = said is Verdict.DENIED
                    raise AccessDeniedError(self.arn, need.action, resource, explicitly=denied)

    def _role(self) -> Any:
        try:
            return iam_backends[self.account][PARTITION].get_role(self.role)
        except NotFoundException:
            return None


def assume(role: str, *, service: str, source_arn: str, account: str, region: str, name: str) -> Session:
    """Take a role, by its name or ARN, as a `service` that comes on behalf of the resource `source_arn`.

    Raises NotTrustedError unless the role's trust policy lets it in.
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
    return _session(given)


def session(access_key: str, token: str | None) -> Session:
    """Return the session that temporary credentials are of; raises InvalidTokenError when they are of none."""
    for given in _given():
        if given.access_key_id == access_key:
            if given.session_token != token:
                break
            if given.expiration.replace(tzinfo=UTC) < datetime.now(UTC):
                raise InvalidTokenError(expired=True)
            if given.policy:
                raise UnjudgeableError(f"The session policy of {given.arn}")
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
    )

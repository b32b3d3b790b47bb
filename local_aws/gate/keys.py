"""Whose access key a request carries: the world's own, a role's temporary one, or that of an IAM user."""

from dataclasses import dataclass

from botocore.credentials import Credentials
from moto.iam.models import iam_backends

from local_aws.gate.errors import UnknownKeyError
from local_aws.iam import roles
from local_aws.iam.calls import PARTITION
from local_aws.iam.roles import Session

_ACTIVE = "Active"


@dataclass(frozen=True, slots=True)
class Caller:
    """Who signs with a secret; `session` is the role whose policies limit it, None for one that nothing limits."""

    secret: str
    session: Session | None = None


def caller(access_key: str, token: str | None, owner: Credentials) -> Caller:
    """Return who has an access key, with its session token where it is a temporary one.

    Raises `UnknownKeyError` when nobody has it, and `InvalidTokenError` for temporary credentials that are not valid.
    """
    if access_key == owner.access_key:
        return Caller(owner.secret_key)
    if access_key.startswith(roles.TEMPORARY):
        session = roles.session(access_key, token)
        return Caller(session.secret_key, session)
    for account in list(iam_backends.values()):
        key = account[PARTITION].access_keys.get(access_key)
        if key is not None and key.status == _ACTIVE:
            return Caller(key.secret_access_key)
    raise UnknownKeyError

"""The owner of an access key: the world itself, a role session, or an IAM user."""

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
    """The caller of a request: its secret key, and its role session, None for the owner or an IAM user."""

    secret: str
    session: Session | None = None


def find_caller(access_key: str, token: str | None, owner: Credentials) -> Caller:
    """Return the caller with an access key, and a session token for temporary credentials.

    Raises `UnknownKeyError` for an unknown key, and `InvalidTokenError` for invalid temporary credentials.
    """
    if access_key == owner.access_key:
        return Caller(owner.secret_key)
    if access_key.startswith(roles.TEMPORARY_KEY_PREFIX):
        session = roles.session(access_key, token)
        return Caller(session.secret_key, session)
    for account in list(iam_backends.values()):
        key = account[PARTITION].access_keys.get(access_key)
        if key is not None and key.status == _ACTIVE:
            return Caller(key.secret_access_key)
    raise UnknownKeyError

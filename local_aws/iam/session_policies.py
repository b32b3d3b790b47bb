"""Session policies in STS: moto drops them, and the id of the assumed role."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from moto.core.responses import ActionResult
from moto.iam.exceptions import NotFoundException
from moto.iam.models import iam_backends
from moto.iam.policy_validation import IAMPolicyDocumentValidator
from moto.sts.responses import TokenResponse

from local_aws.iam.calls import PARTITION

type Operation = Callable[[TokenResponse], ActionResult]

_ASSUME_ROLE: Operation = TokenResponse.assume_role
_WITH_WEB_IDENTITY: Operation = TokenResponse.assume_role_with_web_identity
_WITH_SAML: Operation = TokenResponse.assume_role_with_saml


def install() -> None:
    """Make the operations that create sessions store their limits, for `roles.session` to read."""
    TokenResponse.assume_role = _recording(_ASSUME_ROLE)
    TokenResponse.assume_role_with_web_identity = _recording(_WITH_WEB_IDENTITY)
    TokenResponse.assume_role_with_saml = _recording(_WITH_SAML)


def check(policy: str) -> None:
    """Raise moto's MalformedPolicyDocument for an invalid session policy."""
    IAMPolicyDocumentValidator(policy).validate()


def record_limits(assumed: Any, policy: str | None, managed: Any = None) -> None:
    """Store the session policy, the managed session policies and the unique id of the role on moto's session."""
    assumed.policy, assumed.managed_policies = policy, managed
    try:
        assumed.role_id = iam_backends[assumed.account_id][PARTITION].get_role(assumed.role_arn.rpartition("/")[2]).id
    except NotFoundException:
        assumed.role_id = None


def _recording(operation: Operation) -> Operation:
    @wraps(operation)
    def assume(response: TokenResponse) -> ActionResult:
        policy = response._get_param("Policy")  # noqa: SLF001 - moto's way
        if policy:
            check(policy)
        result = operation(response)
        record_limits(result.result["Credentials"], policy, response._get_param("PolicyArns"))  # noqa: SLF001
        return result

    return assume

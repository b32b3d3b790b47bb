"""STS that remembers what limits a session: moto forgets its policies, and the role that had its name at that time."""

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
    """Let the operations that give out sessions keep with them what limits them, for `roles.session` to see."""
    TokenResponse.assume_role = _remembering(_ASSUME_ROLE)
    TokenResponse.assume_role_with_web_identity = _remembering(_WITH_WEB_IDENTITY)
    TokenResponse.assume_role_with_saml = _remembering(_WITH_SAML)


def check(policy: str) -> None:
    """Raise moto's MalformedPolicyDocument for a session policy that is no policy."""
    IAMPolicyDocumentValidator(policy).validate()


def remember(given: Any, policy: str | None, managed: Any = None) -> None:
    """Keep with a session of moto's its policy, its managed policies, and the unique id of its role."""
    given.policy, given.managed_policies = policy, managed
    try:
        given.role_id = iam_backends[given.account_id][PARTITION].get_role(given.role_arn.rpartition("/")[2]).id
    except NotFoundException:
        given.role_id = None


def _remembering(operation: Operation) -> Operation:
    @wraps(operation)
    def assume(response: TokenResponse) -> ActionResult:
        policy = response._get_param("Policy")  # noqa: SLF001 - moto's way
        if policy:
            check(policy)
        answer = operation(response)
        remember(answer.result["Credentials"], policy, response._get_param("PolicyArns"))  # noqa: SLF001
        return answer

    return assume

"""STS that remembers what limits a session: moto forgets the managed policies of every one, and more of some."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from moto.core.responses import ActionResult
from moto.sts.responses import TokenResponse

type Operation = Callable[[TokenResponse], ActionResult]

_ASSUME_ROLE: Operation = TokenResponse.assume_role
_WITH_WEB_IDENTITY: Operation = TokenResponse.assume_role_with_web_identity
_WITH_SAML: Operation = TokenResponse.assume_role_with_saml


def install() -> None:
    """Let the operations that give out sessions keep their policies with them, for `roles.session` to see."""
    TokenResponse.assume_role = _remembering(_ASSUME_ROLE)
    TokenResponse.assume_role_with_web_identity = _remembering(_WITH_WEB_IDENTITY)
    TokenResponse.assume_role_with_saml = _remembering(_WITH_SAML)


def _remembering(operation: Operation) -> Operation:
    @wraps(operation)
    def assume(response: TokenResponse) -> ActionResult:
        answer = operation(response)
        given: Any = answer.result["Credentials"]
        given.policy = given.policy or response._get_param("Policy") or response._get_param("PolicyArns")  # noqa: SLF001
        return answer

    return assume

"""Session policies in STS: moto drops them, and the id of the assumed role."""

from collections.abc import Callable
from typing import Any, override

from moto.core.responses import ActionResult
from moto.iam.exceptions import NotFoundException
from moto.iam.models import iam_backends
from moto.iam.policy_validation import IAMPolicyDocumentValidator
from moto.sts.responses import TokenResponse

from local_aws import mounting
from local_aws.iam.calls import PARTITION


class LocalTokenResponse(TokenResponse):  # type: ignore[misc] # moto is not typed
    """STS whose operations that create sessions store their limits, for `roles.session` to read."""

    @override
    def assume_role(self) -> ActionResult:
        """Handle AssumeRole."""
        return self._limited(super().assume_role)

    @override
    def assume_role_with_web_identity(self) -> ActionResult:
        """Handle AssumeRoleWithWebIdentity."""
        return self._limited(super().assume_role_with_web_identity)

    @override
    def assume_role_with_saml(self) -> ActionResult:
        """Handle AssumeRoleWithSAML."""
        return self._limited(super().assume_role_with_saml)

    def _limited(self, assume: Callable[[], ActionResult]) -> ActionResult:
        policy = self._get_param("Policy")
        if policy:
            check(policy)
        result = assume()
        record_limits(result.result["Credentials"], policy, self._get_param("PolicyArns"))
        return result


def mount() -> None:
    """Mount STS."""
    mounting.mount("sts", response=LocalTokenResponse)


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

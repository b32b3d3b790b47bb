"""Errors of the local IAM.

IamError                      base; sent to the client as the response
├── AccessDeniedError         no policy allows it, or one denies it
├── UnknownOperationError     the permissions of the operation are not declared, so every role is denied
├── MalformedCallError        a parameter that names a resource is malformed
├── UnsupportedPolicyError    a policy has an element that this endpoint does not support
├── InvalidTokenError         the temporary credentials are unknown or have expired
└── NotTrustedError           the role does not exist, or its trust policy does not allow the service
"""


class IamError(Exception):
    """Base of the errors; `code` is AWS's error code."""

    code = "AccessDenied"


class AccessDeniedError(IamError):
    """No policy allows the call, or one denies it."""

    def __init__(
        self,
        principal: str,
        action: str,
        resource: str,
        kind: str = "identity-based policy",
        *,
        explicitly: bool = False,
    ) -> None:
        """Name the `principal`, the action, the resource and the kind of policy; `explicitly` for a Deny."""
        article = "an" if kind.startswith("i") else "a"
        reason = (
            f"with an explicit deny in {article} {kind}"
            if explicitly
            else f"because no {kind} allows the {action} action"
        )
        super().__init__(f"User: {principal} is not authorized to perform: {action} on resource: {resource} {reason}")
        self.action, self.resource = action, resource


class UnknownOperationError(IamError):
    """The permissions of the operation are not declared, so every role is denied."""

    def __init__(self, principal: str, operation: str) -> None:
        """Name the `principal` and the operation, as `service:Operation`."""
        super().__init__(
            f"User: {principal} is not authorized to perform: {operation}, because local_aws/iam/operations.py does "
            "not declare the permissions that it needs; add them there"
        )


class MalformedCallError(IamError):
    """A parameter that names a resource is malformed."""

    def __init__(self, action: str, parameter: str, expected: str) -> None:
        """Name the action, the malformed parameter, and its expected form."""
        super().__init__(f"{action} is denied, because {parameter} does not name a resource: it must be {expected}")


class UnsupportedPolicyError(IamError):
    """A policy has an element that this endpoint does not support; whatever depends on it is denied."""

    def __init__(self, element: str) -> None:
        """Name the element of the policy."""
        super().__init__(f"{element} is not supported by this endpoint, so it denies: see local_aws/iam/conditions.py")
        self.element = element


class InvalidTokenError(IamError):
    """The temporary credentials are unknown or have expired."""

    code = "InvalidClientTokenId"

    def __init__(self, *, expired: bool = False) -> None:
        """Distinguish expired credentials from unknown ones."""
        self.code = "ExpiredToken" if expired else self.code
        super().__init__("The security token included in the request is " + ("expired." if expired else "invalid."))


class NotTrustedError(IamError):
    """The role does not exist, or its trust policy does not allow the service."""

    def __init__(self, role: str, service: str, source_arn: str) -> None:
        """Name the role, the service, and the resource on whose behalf it assumes the role."""
        name = service.removesuffix(".amazonaws.com").title()
        super().__init__(
            f"Role {role} should be given assume role permissions for {name} Service: the role does not exist, or its "
            f"trust policy does not allow {service} on behalf of {source_arn}"
        )

"""What the local IAM says no to.

IamError                  what a client gets as an answer, with AWS's code
├── AccessDeniedError     no policy allows it, or one denies it
├── UnknownCallError      nobody has declared which permissions the operation needs, so no role has them
├── UnclearCallError      the call does not say, in the form that its API has, which resources it is about
├── UnjudgeableError      a policy says something that cannot be judged here
├── InvalidTokenError     the temporary credentials are none that were given out, or they have expired
└── NotTrustedError       the role does not let that service in
"""


class IamError(Exception):
    """A refusal; `code` is AWS's word for it, `str()` the message."""

    code = "AccessDenied"


class AccessDeniedError(IamError):
    """A role may not do what it tried."""

    def __init__(
        self, who: str, action: str, resource: str, kind: str = "identity-based policy", *, explicitly: bool = False
    ) -> None:
        """Name the principal `who`, the action, the resource and the kind of policy, `explicitly` if it denies."""
        article = "an" if kind.startswith("i") else "a"
        why = (
            f"with an explicit deny in {article} {kind}"
            if explicitly
            else f"because no {kind} allows the {action} action"
        )
        super().__init__(f"User: {who} is not authorized to perform: {action} on resource: {resource} {why}")
        self.action, self.resource = action, resource


class UnknownCallError(IamError):
    """An operation of which this endpoint does not know what it needs."""

    def __init__(self, who: str, operation: str) -> None:
        """Name the principal `who` and the operation, as `service:Operation`."""
        super().__init__(
            f"User: {who} is not authorized to perform: {operation}, because local_aws/iam/operations.py does not say "
            "which permissions it needs; declare them there"
        )


class UnclearCallError(IamError):
    """A call that cannot be judged, because it does not name what it is about."""

    def __init__(self, action: str, parameter: str, expected: str) -> None:
        """Name the action, the parameter that is missing or malformed, and what is expected of it."""
        super().__init__(f"{action} is denied, because {parameter} does not name a resource: it has to be {expected}")


class UnjudgeableError(IamError):
    """A part of a policy that cannot be judged here, and so lets nobody do anything."""

    def __init__(self, part: str) -> None:
        """Name the part of the policy."""
        super().__init__(f"{part} cannot be judged by this endpoint, so it denies: see local_aws/iam/conditions.py")
        self.part = part


class InvalidTokenError(IamError):
    """Temporary credentials that open nothing."""

    code = "InvalidClientTokenId"

    def __init__(self, *, expired: bool = False) -> None:
        """Say whether they were good once."""
        self.code = "ExpiredToken" if expired else self.code
        super().__init__("The security token included in the request is " + ("expired." if expired else "invalid."))


class NotTrustedError(IamError):
    """A role that does not exist, or whose trust policy does not let a service in."""

    def __init__(self, role: str, service: str, source_arn: str) -> None:
        """Name the role, the service, and for what it came."""
        name = service.removesuffix(".amazonaws.com").title()
        super().__init__(
            f"Role {role} should be given assume role permissions for {name} Service: there is no such role, or its "
            f"trust policy does not let {service} in for {source_arn}"
        )

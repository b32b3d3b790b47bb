"""IAM that is enforced: roles are taken by those whom they trust, and may do what their policies allow.

moto keeps roles and policies and does not hold anybody to them. Here `assume` holds a service to a role's trust policy,
`Session.authorize` holds to the role's policies, as they are at that moment, every request with its credentials (see
`local_aws.gate`) and what the endpoint itself does for a role (a crawl, a schedule). An operation of which nobody
has declared what it needs (`operations`), and a condition that is not known here (`conditions`), denies.
"""

from local_aws.iam.calls import Call, Need
from local_aws.iam.errors import AccessDeniedError, IamError, NotTrustedError
from local_aws.iam.roles import Session, assume

__all__ = ["AccessDeniedError", "Call", "IamError", "Need", "NotTrustedError", "Session", "assume"]

"""Signed requests of roles to the local AWS, and the responses or error codes."""

from typing import Any

from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError
from botocore.httpsession import URLLib3Session

from local_aws import iam
from local_aws.address import REGION
from tests import roles
from tests.security.conftest import AttackTarget


def assume(role: str) -> Credentials:
    """Assume a role as Glue does for a job, and return the credentials."""
    source = f"arn:aws:glue:{REGION}:{roles.ACCOUNT}:job/a-job"
    session = iam.assume(
        role, service="glue.amazonaws.com", source_arn=source, account=roles.ACCOUNT, region=REGION, name="session"
    )
    return Credentials(session.access_key, session.secret_key, session.token)


def response_to(  # noqa: PLR0917 - in the order of a request
    port: int, key: Credentials, service: str, method: str, path: str, body: bytes = b"", **how: str
) -> str:
    """Send a request that is signed for `region` and has the other headers of `how`; return the response."""
    region = how.pop("region", REGION)
    request = AWSRequest(method, f"http://127.0.0.1:{port}{path}", data=body)
    for name, value in how.items():
        request.headers[name.replace("_", "-")] = value
    (S3SigV4Auth if service == "s3" else SigV4Auth)(key, service, region).add_auth(request)
    return str(URLLib3Session().send(request.prepare()).text)


def send_signed(  # noqa: PLR0917 - in the order of a request
    target: AttackTarget, key: Credentials, service: str, method: str, path: str, body: bytes = b"", **how: str
) -> str:
    """Send a signed request to the endpoint behind its gate, as `response_to` does; return the response."""
    return response_to(target.port, key, service, method, path, body, **how)


def assume_role(target: AttackTarget, name: str, action: str | list[str], *resources: str) -> Credentials:
    """Create a role that allows actions on resources, and return its credentials."""
    roles.create(target.client("iam"), name, {"Effect": "Allow", "Action": action, "Resource": list(resources)})
    return assume(name)


def error_code(call: Any, **parameters: Any) -> str:
    """Return the error code of a call, or an empty string if it succeeds."""
    try:
        call(**parameters)
    except ClientError as error:
        return str(error.response["Error"]["Code"])
    return ""

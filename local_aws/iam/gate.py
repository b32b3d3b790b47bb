"""The gate before the endpoint: requests with a role's temporary credentials are judged, all others pass.

The world's own keys are its owner's, who may do anything; so may whoever has the keys of an IAM user, of which the
platform has none, or does not sign at all. That is a choice: a local world keeps out mistakes, not intruders.
"""

import json
import uuid
from collections.abc import Callable, Iterable
from typing import Any
from xml.sax.saxutils import escape

from local_aws.iam import roles, s3_operations
from local_aws.iam.calls import Call, Need
from local_aws.iam.errors import AccessDeniedError, IamError
from local_aws.iam.requests import Environ, Signature, read

type StartResponse = Callable[..., Any]
type WsgiApp = Callable[[Environ, StartResponse], Iterable[bytes]]

_LOOKS = {"GetObject", "HeadObject"}
_FORBIDDEN = "403 Forbidden"
_PIECE = 1 << 16


class Gate:
    """Judges what roles ask of an endpoint."""

    def __init__(self, app: WsgiApp) -> None:
        """Stand before `app`."""
        self._app = app

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Pass a request on, or refuse it as AWS would."""
        signature = Signature(environ)
        if not signature.access_key.startswith(roles.TEMPORARY):
            return self._app(environ, start_response)
        try:
            session = roles.session(signature.access_key, signature.token)
            call = read(environ, signature, session.account)
            session.authorize(call)
            if call.service == "s3" and call.operation in _LOOKS:
                return self._look(environ, start_response, session, call)
        except IamError as error:
            _drain(environ)
            return _refusal(error, environ, signature, start_response)
        return self._app(environ, start_response)

    def _look(
        self, environ: Environ, start_response: StartResponse, session: roles.Session, call: Call
    ) -> Iterable[bytes]:
        """Answer a look at an object; who may not list a bucket is not told that something is not in it."""
        listing = Need("s3:ListBucket", (s3_operations.bucket_arn(call["Bucket"]),))
        if session.allows(listing):
            return self._app(environ, start_response)
        began: list[tuple[Any, ...]] = []
        body = list(self._app(environ, lambda *answer: began.append(answer)))
        if began[-1][0].startswith("404"):
            raise AccessDeniedError(session.arn, listing.action, listing.resources[0])
        start_response(*began[-1])
        return body


def _drain(environ: Environ) -> None:
    """Read what is left of a body: a client that is still sending would not hear the answer."""
    left = int(environ.get("CONTENT_LENGTH") or 0)
    while left > 0 and (piece := environ["wsgi.input"].read(min(left, _PIECE))):
        left -= len(piece)


def _refusal(error: IamError, environ: Environ, signature: Signature, start_response: StartResponse) -> Iterable[bytes]:
    """Answer with an error in the protocol of the request: JSON or XML."""
    if "HTTP_X_AMZ_TARGET" in environ:
        code = f"{error.code}Exception"
        content = json.dumps({"__type": code, "message": str(error)}).encode()
        headers = [("Content-Type", "application/x-amz-json-1.1"), ("x-amzn-ErrorType", code)]
        start_response("400 Bad Request", [*headers, ("Content-Length", str(len(content)))])
        return [content]
    told = f"<Code>{error.code}</Code><Message>{escape(str(error))}</Message>"
    request = f"<RequestId>{uuid.uuid4()}</RequestId>"
    text = (
        f"<Error>{told}{request}</Error>"
        if signature.service == "s3"
        else f"<ErrorResponse><Error><Type>Sender</Type>{told}</Error>{request}</ErrorResponse>"
    )
    content = f'<?xml version="1.0" encoding="UTF-8"?>\n{text}'.encode()
    start_response(_FORBIDDEN, [("Content-Type", "application/xml"), ("Content-Length", str(len(content)))])
    return [] if environ["REQUEST_METHOD"] == "HEAD" else [content]

"""The one gate before the endpoint: what does not come from a program of this machine with a key is refused.

In this order it looks at the form of a request, at where it comes from (`origins`), at its signature (`signatures`,
`chunks`, `forms`, `keys`), leaves it only one reading (`reading`), and asks the policies of the role that has signed
and of the bucket that is meant. The world's own key may do anything that a bucket's policy does not deny, and so may
that of an IAM user, of which the platform has none.
"""

import json
import logging
import re
from collections.abc import Callable, Collection, Iterable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from xml.etree.ElementTree import ParseError
from xml.parsers.expat import ExpatError

from botocore.credentials import Credentials
from moto.core import DEFAULT_ACCOUNT_ID

from local_aws.address import REGION
from local_aws.gate import bodies, chunks, execution, forms, headers, origins, reading, requests, signatures
from local_aws.gate.answers import StartResponse, refusal
from local_aws.gate.errors import BodyMismatchError, GateError, InternalFailureError, MalformedRequestError
from local_aws.gate.keys import Caller, caller
from local_aws.gate.signatures import S3, Environ, Scope, Signer
from local_aws.iam import AccessDeniedError, Call, IamError, Need, Session, s3_operations
from local_aws.s3 import policy

type WsgiApp = Callable[[Environ, StartResponse], Iterable[bytes]]

_LOG = logging.getLogger(__name__)

_LOOKS = {
    "GetObject": "Bucket",
    "HeadObject": "Bucket",
    "SelectObjectContent": "Bucket",
    "CopyObject": "CopySource",
    "UploadPartCopy": "CopySource",
}
"""Operations that tell whether an object is there, and the parameter in which its bucket is."""

_OF_ONE_REGION = {"glue", "redshift-data"}
"""Services that have the same jobs and databases to whichever region a request is signed for."""

_FIRST_ERROR, _FIRST_FAILURE, _NOT_IMPLEMENTED = "400", "500", "501"
_PAGE = b"<!doctype html"
_METHODS = {"GET", "HEAD", "PUT", "POST", "DELETE", "PATCH", "OPTIONS"}
_PATH = re.compile(r"/(?!/)[^#]*$")


class Gate:
    """Lets requests through to an endpoint that are signed with a key of its world."""

    def __init__(
        self, app: WsgiApp, owner: Credentials, unsigned: Collection[str] = (), started: datetime | None = None
    ) -> None:
        """Stand before `app`; `owner` is the world's own key, `unsigned` are paths that need none.

        What was signed before the endpoint was `started`, now unless given, is refused.
        """
        self._app = app
        self._owner = owner
        self._unsigned = unsigned
        self._started = started or datetime.now(UTC)
        execution.install()

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Pass a request on, or refuse it as AWS would."""
        service = ""
        try:
            _check_form(environ)
            origins.check(environ)
            if environ["PATH_INFO"] in self._unsigned:
                return self._app(environ, start_response)
            signed = _signed_part(environ)
            service = signed.scope.service
            return self._admitted(environ, start_response, signed)
        except (GateError, IamError) as error:
            bodies.drain(environ)
            return refusal(error, environ, service, start_response)
        except Exception as error:  # noqa: BLE001 - the client has to hear of it, and in the words of AWS
            bodies.drain(environ)
            return refusal(_as_refusal(error, environ), environ, service, start_response)

    def _admitted(
        self, environ: Environ, start_response: StartResponse, signed: forms.Form | signatures.Signature
    ) -> Iterable[bytes]:
        """Answer a request that comes from a program of this machine, if it is signed and may do what it asks for."""
        form = signed if isinstance(signed, forms.Form) else None
        scope, who = self._authenticated(environ, signed)
        reading.settle(environ, scope, is_form=form is not None)
        if scope.service == S3:
            bodies.check_digests(environ)
        else:
            requests.check_types(environ, scope.service)
        account = who.session.account if who.session else DEFAULT_ACCOUNT_ID
        if scope.service == S3 or who.session:
            call = _call(environ, scope, form, account)
            if who.session:
                who.session.authorize(call)
                if call.service in _OF_ONE_REGION and call.region != REGION:
                    raise AccessDeniedError(who.session.arn, str(call), call.region)
            execution.expect(environ, call, who.session)
            if scope.service == S3:
                policy.check(call, environ)
            if who.session and scope.service == S3 and call.operation in _LOOKS:
                return self._looked(environ, start_response, call, who.session)
        return self._served(environ, start_response)

    def _authenticated(self, environ: Environ, signed: forms.Form | signatures.Signature) -> tuple[Scope, Caller]:
        """Return what a request is signed for and by whom."""
        who = caller(signed.scope.access_key, signed.token, self._owner)
        if isinstance(signed, forms.Form):
            signed.verify(who.secret)
        else:
            signed.check_time(self._started)
            _verify(environ, signed, who.secret)
        return signed.scope, who

    def _looked(self, environ: Environ, start_response: StartResponse, call: Call, session: Session) -> Iterable[bytes]:
        """Answer a look at an object: who may not list its bucket is not told that something is not in it."""
        bucket = call[_LOOKS[call.operation]].partition("/")[0]
        listing = Need("s3:ListBucket", (s3_operations.bucket_arn(bucket),))
        if session.allows(listing):
            return self._served(environ, start_response)
        began: list[tuple[Any, ...]] = []
        body = list(self._served(environ, lambda *answer: began.append(answer)))
        if began[-1][0].startswith("404"):
            raise AccessDeniedError(session.arn, listing.action, listing.resources[0])
        start_response(*began[-1])
        return body

    def _served(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Have a request answered; what the endpoint says in HTML is said in the words of AWS."""
        began: list[tuple[str, list[tuple[str, str]]]] = []
        body = self._app(environ, lambda status, headers, *_: began.append((status, headers)))
        status, fields = began[-1]
        if status >= _FIRST_ERROR:
            body = list(body)
            if b"".join(body).lower().startswith(_PAGE):
                raise _in_words(status)
        start_response(status, [each for each in fields if not each[0].lower().startswith("access-control-")])
        return body


def _as_refusal(error: Exception, environ: Environ) -> GateError:
    """Return what a client is told when its request fails: whether that is its fault, or the endpoint's."""
    if isinstance(error, NotImplementedError):
        return _in_words(_NOT_IMPLEMENTED)
    if isinstance(error, json.JSONDecodeError | ExpatError | ParseError | UnicodeDecodeError | RecursionError):
        return MalformedRequestError(f"The body cannot be read: {error}", code="MalformedXML")
    if report := requests.faults(environ):
        return MalformedRequestError(report, code="MalformedXML", json_code="ValidationException")
    _LOG.error("failed at %s %s", environ["REQUEST_METHOD"], environ["REQUEST_URI"], exc_info=error)
    return InternalFailureError()


def _check_form(environ: Environ) -> None:
    """Raise `MalformedRequestError` for a request without a path, with headers that are none, or of no known method."""
    headers.settle(environ)
    bodies.length(environ)
    if environ["REQUEST_METHOD"] not in _METHODS:  # in capitals, as it was signed: moto takes `put` for PUT
        raise MalformedRequestError("The specified method is not allowed.", code="MethodNotAllowed")
    if not _PATH.match(environ["REQUEST_URI"]):
        raise MalformedRequestError("The target of the request is not a path.")


def _in_words(status: str) -> GateError:
    """Return the error for an HTTP status: of an operation that is not there, or of the endpoint."""
    if status >= _FIRST_FAILURE and not status.startswith(_NOT_IMPLEMENTED):
        return InternalFailureError()
    sentence = f"This endpoint knows no such operation ({status})."
    return MalformedRequestError(sentence, code="InvalidAction", json_code="UnknownOperationException")


def _signed_part(environ: Environ) -> forms.Form | signatures.Signature:
    """Return what of a request is signed: its form, or the request itself."""
    if forms.is_form(environ):
        return forms.Form.read(environ, bodies.receive(environ))
    return signatures.read(environ)


def _verify(environ: Environ, signature: signatures.Signature, secret: str) -> None:
    """Verify the signature of a request, and that its body is the one that was signed."""
    if signature.scope.service != S3:
        signature.verify(environ, secret, bodies.receive(environ, bodies.MOST_BYTES).sha256)
        return
    bodies.require_length(environ)
    presigned = signature.seconds is not None
    declared = environ.get("HTTP_X_AMZ_CONTENT_SHA256") or (signatures.UNSIGNED_PAYLOAD if presigned else None)
    if declared is None:
        raise MalformedRequestError("Missing required header for this request: x-amz-content-sha256")
    signature.verify(environ, secret, declared)
    body = bodies.receive(environ)
    if declared in chunks.KINDS:
        chunks.unpack(environ, Signer(signature.scope, signature.timestamp, secret), signature)
    elif declared not in {signatures.UNSIGNED_PAYLOAD, body.sha256}:
        raise BodyMismatchError


def _call(environ: Environ, scope: Scope, form: forms.Form | None, account: str) -> Call:
    """Return the call that a request makes."""
    if form is not None:
        parameters = {"Bucket": form.bucket, "Key": form.key, "ACL": form.fields.get("acl")}
        call = Call(S3, "PutObject", parameters, scope.region, account)
    else:
        call = requests.read(environ, scope.service, scope.region, account)
    if call.service != S3:
        return call
    # A bucket is in one region, whichever its client signs for.
    return replace(call, region=policy.region_of(call) or call.region)

"""The gate in front of the endpoint: authenticates and authorizes every request.

In this order it checks the syntax of a request, its origin (`origins`) and its signature (`signatures`, `chunks`,
`forms`, `keys`), normalizes it (`normalization`), and evaluates the policies of the signing role and of the bucket.
The world's own key may do anything that a bucket's policy does not deny, and so may the key of an IAM user, of which
the platform has none.
"""

import json
import logging
import re
from collections.abc import Collection, Iterable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from xml.etree.ElementTree import ParseError
from xml.parsers.expat import ExpatError

from botocore.credentials import Credentials
from moto.core import DEFAULT_ACCOUNT_ID

from local_aws.address import REGION
from local_aws.gate import bodies, chunks, execution, forms, headers, normalization, origins, requests, signatures
from local_aws.gate.error_responses import error_response
from local_aws.gate.errors import BodyMismatchError, GateError, InternalFailureError, MalformedRequestError
from local_aws.gate.keys import Caller, find_caller
from local_aws.gate.signatures import S3, Scope, Signer
from local_aws.iam import AccessDeniedError, Call, IamError, Need, Session, s3_operations
from local_aws.s3 import policy
from local_aws.wsgi import Environ, StartResponse, WsgiApp

_LOG = logging.getLogger(__name__)

_EXISTENCE_CHECKS = {
    "GetObject": "Bucket",
    "HeadObject": "Bucket",
    "SelectObjectContent": "Bucket",
    "CopyObject": "CopySource",
    "UploadPartCopy": "CopySource",
}
"""Operations whose response shows whether an object exists, and the parameter that names its bucket."""

_SINGLE_REGION_SERVICES = {"glue", "redshift-data"}
"""Services that have the same jobs and databases in every region, so roles may use them only in one."""

_FIRST_ERROR, _FIRST_SERVER_ERROR, _NOT_IMPLEMENTED = "400", "500", "501"
_HTML = b"<!doctype html"
_METHODS = {"GET", "HEAD", "PUT", "POST", "DELETE", "PATCH", "OPTIONS"}
_PATH = re.compile(r"/(?!/)[^#]*$")


class Gate:
    """WSGI middleware that passes on requests that are signed with a key of the world and authorized."""

    def __init__(
        self, app: WsgiApp, owner: Credentials, unsigned: Collection[str] = (), started: datetime | None = None
    ) -> None:
        """Wrap `app`; `owner` is the world's own key, the paths in `unsigned` need no signature.

        Requests signed before `started`, by default now, are refused.
        """
        self._app = app
        self._owner = owner
        self._unsigned = unsigned
        self._started = started or datetime.now(UTC)

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Pass a request on, or respond with an error as AWS would."""
        service = ""
        try:
            _check_syntax(environ)
            origins.check(environ)
            if environ["PATH_INFO"] in self._unsigned:
                return self._app(environ, start_response)
            credentials = _signed_form_or_signature(environ)
            service = credentials.scope.service
            return self._authorize_and_serve(environ, start_response, credentials)
        except (GateError, IamError) as error:
            bodies.drain(environ)
            return error_response(error, environ, service, start_response)
        except Exception as error:  # noqa: BLE001 - every failure becomes an error response
            bodies.drain(environ)
            return error_response(_gate_error(error, environ), environ, service, start_response)

    def _authorize_and_serve(
        self, environ: Environ, start_response: StartResponse, credentials: forms.UploadForm | signatures.Signature
    ) -> Iterable[bytes]:
        """Serve a request, if it is correctly signed and its caller is authorized."""
        form = credentials if isinstance(credentials, forms.UploadForm) else None
        scope, caller = self._authenticate(environ, credentials)
        normalization.normalize(environ, scope, is_form=form is not None)
        if scope.service == S3:
            bodies.check_digests(environ)
        else:
            requests.check_text(environ)
            requests.check_types(environ, scope.service)
        account = caller.session.account if caller.session else DEFAULT_ACCOUNT_ID
        if scope.service == S3 or caller.session:
            call = _call(environ, scope, form, account)
            if caller.session:
                caller.session.authorize(call)
                if call.service in _SINGLE_REGION_SERVICES and call.region != REGION:
                    raise AccessDeniedError(caller.session.arn, str(call), call.region)
            execution.expect(environ, call, caller.session)
            if scope.service == S3:
                policy.check(call, environ)
            if caller.session and scope.service == S3 and call.operation in _EXISTENCE_CHECKS:
                return self._serve_existence_check(environ, start_response, call, caller.session)
        return self._serve(environ, start_response)

    def _authenticate(
        self, environ: Environ, credentials: forms.UploadForm | signatures.Signature
    ) -> tuple[Scope, Caller]:
        """Verify the signature of a request; return its scope and its caller."""
        caller = find_caller(credentials.scope.access_key, credentials.token, self._owner)
        if isinstance(credentials, forms.UploadForm):
            credentials.verify(caller.secret)
        else:
            credentials.check_time(self._started)
            _verify(environ, credentials, caller.secret)
        return credentials.scope, caller

    def _serve_existence_check(
        self, environ: Environ, start_response: StartResponse, call: Call, session: Session
    ) -> Iterable[bytes]:
        """Serve a request for an object; "not found" is access denied to a caller who may not list the bucket."""
        bucket = call[_EXISTENCE_CHECKS[call.operation]].partition("/")[0]
        listing = Need("s3:ListBucket", (s3_operations.bucket_arn(bucket),))
        if session.allows(listing):
            return self._serve(environ, start_response)
        started: list[tuple[Any, ...]] = []
        body = list(self._serve(environ, lambda *arguments: started.append(arguments)))
        if started[-1][0].startswith("404"):
            raise AccessDeniedError(session.arn, listing.action, listing.resources[0])
        start_response(*started[-1])
        return body

    def _serve(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Serve a request; raise a `GateError` when the response is an error page in HTML."""
        started: list[tuple[str, list[tuple[str, str]]]] = []
        body = self._app(environ, lambda status, headers, *_: started.append((status, headers)))
        status, fields = started[-1]
        if status >= _FIRST_ERROR:
            body = list(body)
            if b"".join(body).lower().startswith(_HTML):
                raise _status_error(status)
        start_response(status, [each for each in fields if not each[0].lower().startswith("access-control-")])
        return body


def _gate_error(error: Exception, environ: Environ) -> GateError:
    """Return the error for an unexpected exception: of the client when its request is invalid, else internal."""
    if isinstance(error, NotImplementedError):
        return _status_error(_NOT_IMPLEMENTED)
    if isinstance(error, json.JSONDecodeError | ExpatError | ParseError | UnicodeDecodeError | RecursionError):
        return MalformedRequestError(f"The body cannot be parsed: {error}", code="MalformedXML")
    if report := requests.validation_report(environ):
        return MalformedRequestError(report, code="MalformedXML", json_code="ValidationException")
    _LOG.error("failed at %s %s", environ["REQUEST_METHOD"], environ["REQUEST_URI"], exc_info=error)
    return InternalFailureError()


def _check_syntax(environ: Environ) -> None:
    """Raise `MalformedRequestError` for invalid headers, an unknown method, or a target that is not a path."""
    headers.normalize(environ)
    bodies.length(environ)
    if environ["REQUEST_METHOD"] not in _METHODS:  # upper case, as signed: moto takes `put` for PUT
        raise MalformedRequestError("The specified method is not allowed.", code="MethodNotAllowed")
    if not _PATH.match(environ["REQUEST_URI"]):
        raise MalformedRequestError("The target of the request is not a path.")


def _status_error(status: str) -> GateError:
    """Return the error for an HTTP status: unknown operation, or internal failure."""
    if status >= _FIRST_SERVER_ERROR and not status.startswith(_NOT_IMPLEMENTED):
        return InternalFailureError()
    message = f"This endpoint does not implement the operation ({status})."
    return MalformedRequestError(message, code="InvalidAction", json_code="UnknownOperationException")


def _signed_form_or_signature(environ: Environ) -> forms.UploadForm | signatures.Signature:
    """Return the signed form of a form upload, or the signature of another request."""
    if forms.is_form(environ):
        return forms.UploadForm.read(environ, bodies.receive(environ))
    return signatures.read(environ)


def _verify(environ: Environ, signature: signatures.Signature, secret: str) -> None:
    """Verify the signature of a request and the hash of its body."""
    if signature.scope.service != S3:
        signature.verify(environ, secret, bodies.receive(environ, bodies.MAX_BYTES).sha256)
        return
    bodies.require_length(environ)
    presigned = signature.seconds is not None
    declared = environ.get("HTTP_X_AMZ_CONTENT_SHA256") or (signatures.UNSIGNED_PAYLOAD if presigned else None)
    if declared is None:
        raise MalformedRequestError("Missing required header for this request: x-amz-content-sha256")
    signature.verify(environ, secret, declared)
    body = bodies.receive(environ)
    if declared in chunks.CHUNKED:
        chunks.decode(environ, Signer(signature.scope, signature.timestamp, secret), signature)
    elif declared not in {signatures.UNSIGNED_PAYLOAD, body.sha256}:
        raise BodyMismatchError


def _call(environ: Environ, scope: Scope, form: forms.UploadForm | None, account: str) -> Call:
    """Return the API call of a request."""
    if form is not None:
        parameters = {"Bucket": form.bucket, "Key": form.key, "ACL": form.fields.get("acl")}
        call = Call(S3, "PutObject", parameters, scope.region, account)
    else:
        call = requests.read(environ, scope.service, scope.region, account)
    if call.service != S3:
        return call
    # A bucket is in one region, regardless of the region in the signature.
    return replace(call, region=policy.region_of(call) or call.region)

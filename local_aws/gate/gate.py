"""The one gate before the endpoint: what does not come from a program of this machine with a key is refused.

In this order it looks at the form of a request, at where it comes from (`origins`), at its signature (`signatures`,
`forms`, `keys`), and, where a role has signed, at the role's policies. The world's own key may do anything, and so may
that of an IAM user, of which the platform has none.
"""

import json
import logging
import re
from collections.abc import Callable, Collection, Iterable
from typing import Any
from urllib.parse import parse_qsl
from xml.etree.ElementTree import ParseError
from xml.parsers.expat import ExpatError

from botocore.credentials import Credentials

from local_aws.gate import bodies, forms, origins, signatures
from local_aws.gate.answers import StartResponse, refusal
from local_aws.gate.errors import BodyMismatchError, GateError, MalformedRequestError
from local_aws.gate.keys import Caller, caller
from local_aws.gate.signatures import ALGORITHM, S3, Environ, Scope
from local_aws.iam import AccessDeniedError, Call, IamError, Need, Session, requests, s3_operations

type WsgiApp = Callable[[Environ, StartResponse], Iterable[bytes]]

_LOG = logging.getLogger(__name__)

_MOST_BYTES = 128 << 20
"""What AWS's services take in one request at most; only S3 takes more."""

_LOOKS = {"GetObject", "HeadObject"}
_FIELDS = "application/x-www-form-urlencoded"
_FORMS = ("multipart/form-data", _FIELDS)
_FIRST_ERROR, _FIRST_FAILURE = "400", "500"
_NOT_IMPLEMENTED = "501"
_PAGE = b"<!doctype html"
_PATH = re.compile(r"/(?!/)[^#]*$")


class InternalFailureError(GateError):
    """A request at which the endpoint itself failed."""

    code, json_code, status = "InternalError", "InternalFailure", 500

    def __init__(self) -> None:
        """Say where the reason is."""
        super().__init__("The endpoint failed at this request; why is in its log, logs/endpoint.log.")


class Gate:
    """Lets requests through to an endpoint that are signed with a key of its world."""

    def __init__(self, app: WsgiApp, owner: Credentials, unsigned: Collection[str] = ()) -> None:
        """Stand before `app`; `owner` is the world's own key, `unsigned` are paths that need none."""
        self._app = app
        self._owner = owner
        self._unsigned = unsigned

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Pass a request on, or refuse it as AWS would."""
        scope = None
        try:
            bodies.length(environ)
            if not _PATH.match(environ["REQUEST_URI"]):
                raise MalformedRequestError("The target of the request is not a path.")
            origins.check(environ)
            if environ["PATH_INFO"] in self._unsigned:
                return self._app(environ, start_response)
            form = forms.Form.read(environ, bodies.receive(environ)) if forms.is_form(environ) else None
            scope, who = self._authenticated(environ, form)
            _read_one_way(environ, scope.service, is_form=form is not None)
            if who.session:
                return self._judged(environ, start_response, _call(environ, scope, form, who.session), who.session)
            return self._served(environ, start_response)
        except (GateError, IamError) as error:
            bodies.drain(environ)
            return refusal(error, environ, scope.service if scope else _claimed_service(environ), start_response)

    def _authenticated(self, environ: Environ, form: forms.Form | None) -> tuple[Scope, Caller]:
        """Return what a request is signed for and by whom, and leave that in the form that all readers take alike."""
        if form:
            scope = form.scope
            who = caller(scope.access_key, form.fields.get("x-amz-security-token"), self._owner)
            form.verify(who.secret)
            authorization = f"{ALGORITHM} Credential={scope}, SignedHeaders=host, Signature={form.signature}"
        else:
            signature = signatures.read(environ)
            scope = signature.scope
            who = caller(scope.access_key, signature.token, self._owner)
            signature.check_time()
            _verify(environ, signature, who.secret)
            authorization = signature.authorization()
        environ["HTTP_AUTHORIZATION"] = authorization
        environ.pop("HTTP_X_MOTO_ACCOUNT_ID", None)  # moto's own: it would lead into another account
        return scope, who

    def _judged(self, environ: Environ, start_response: StartResponse, call: Call, session: Session) -> Iterable[bytes]:
        """Pass on what the policies of a role allow."""
        session.authorize(call)
        if not (call.service == S3 and call.operation in _LOOKS):
            return self._served(environ, start_response)
        # Who may not list a bucket is not told that something is not in it.
        listing = Need("s3:ListBucket", (s3_operations.bucket_arn(call["Bucket"]),))
        if session.allows(listing):
            return self._served(environ, start_response)
        began: list[tuple[Any, ...]] = []
        body = list(self._served(environ, lambda *answer: began.append(answer)))
        if began[-1][0].startswith("404"):
            raise AccessDeniedError(session.arn, listing.action, listing.resources[0])
        start_response(*began[-1])
        return body

    def _served(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Have a request answered; what the endpoint says in HTML, or fails at, is said in the words of AWS."""
        began: list[tuple[str, list[tuple[str, str]]]] = []
        try:
            body = self._app(environ, lambda status, headers, *_: began.append((status, headers)))
        except (json.JSONDecodeError, ExpatError, ParseError, UnicodeDecodeError) as error:
            raise MalformedRequestError(f"The body cannot be read: {error}", code="MalformedXML") from error
        except NotImplementedError as error:
            raise _in_words("501") from error
        except Exception as error:
            _LOG.exception("failed at %s %s", environ["REQUEST_METHOD"], environ["REQUEST_URI"])
            raise InternalFailureError from error
        status, headers = began[-1]
        if status >= _FIRST_ERROR:
            body = list(body)
            if b"".join(body).lower().startswith(_PAGE):
                raise _in_words(status)
        start_response(status, [each for each in headers if not each[0].lower().startswith("access-control-")])
        return body


def _in_words(status: str) -> GateError:
    """Return the error for an HTTP status: of an operation that is not there, or of the endpoint."""
    if status >= _FIRST_FAILURE and not status.startswith(_NOT_IMPLEMENTED):
        return InternalFailureError()
    return MalformedRequestError(
        f"This endpoint knows no such operation ({status}).",
        code="InvalidAction",
        json_code="UnknownOperationException",
    )


def _claimed_service(environ: Environ) -> str:
    """Return the service that a refused request says it is for; empty where it does not say so."""
    try:
        return signatures.read(environ).scope.service
    except GateError:
        return ""


def _verify(environ: Environ, signature: signatures.Signature, secret: str) -> None:
    """Verify the signature of a request and that its body is the one that was signed."""
    declared = environ.get("HTTP_X_AMZ_CONTENT_SHA256")
    if signature.scope.service != S3:
        signature.verify(environ, secret, bodies.receive(environ, _MOST_BYTES).sha256)
        return
    presigned = signature.seconds is not None
    signature.verify(environ, secret, declared or (signatures.UNSIGNED_PAYLOAD if presigned else ""))
    body = bodies.receive(environ)
    if declared is None or declared == signatures.UNSIGNED_PAYLOAD:
        return
    if declared.startswith(signatures.STREAMED):
        if not declared.startswith("STREAMING-UNSIGNED-"):
            signatures.verify_chunks(body.file, signature, secret)
            body.file.seek(0)
    elif declared != body.sha256:
        raise BodyMismatchError


def _call(environ: Environ, scope: Scope, form: forms.Form | None, session: Session) -> Call:
    """Return the call that a role makes."""
    if form is None:
        return requests.read(environ, scope.service, scope.region, session.account)
    parameters = {"Bucket": form.bucket, "Key": form.key, "ACL": form.fields.get("acl")}
    return Call(S3, "PutObject", parameters, scope.region, session.account)


def _read_one_way(environ: Environ, service: str, *, is_form: bool) -> None:
    """Leave a request only one reading: the operation that is judged is the one that is carried out.

    moto looks for the operation in the query string, in any form, and even in a text within a body of JSON; the first
    of two counts for it.
    """
    kind, query = environ.get("CONTENT_TYPE", "").lower(), environ.get("QUERY_STRING", "")
    if service == S3:
        if environ["REQUEST_METHOD"] == "POST" and kind.startswith(_FORMS) and not is_form:
            environ["CONTENT_TYPE"] = "application/octet-stream"  # else a part of the body would be taken for the body
        return
    target, has_fields = environ.get("HTTP_X_AMZ_TARGET"), kind.startswith(_FIELDS)
    if (target or has_fields) and query:
        raise MalformedRequestError("The request has parameters in its query string and in its body.")
    if kind.startswith(_FORMS) and (target or not has_fields):
        raise MalformedRequestError(f"The request is not of a kind that {service} takes: {kind}.")
    if environ.get("HTTP_CONTENT_ENCODING") == "gzip":
        bodies.unpack(environ, _MOST_BYTES)
    if has_fields:
        pairs = parse_qsl(_text(environ), keep_blank_values=True)
        if len(dict(pairs)) != len(pairs):
            raise MalformedRequestError("The request has a parameter twice.")
    elif target or "json" in kind:
        content = _text(environ)
        if target and not isinstance(_json(content), dict):
            raise MalformedRequestError("The body is not a JSON object.")
        bodies.replace(environ, content.replace("&", "\\u0026").encode())  # the same to JSON, and nothing to a form


def _json(content: str) -> Any:
    try:
        return json.loads(content or "{}")
    except ValueError as error:
        raise MalformedRequestError(f"The body is not JSON: {error}") from error


def _text(environ: Environ) -> str:
    file = environ["wsgi.input"]
    content: bytes = file.read()
    file.seek(0)
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise MalformedRequestError(f"The body is not UTF-8: {error}") from error

"""Form uploads to S3 ("POST Object"), authorized by a signed policy.

Source: Amazon S3's API reference, "Browser-Based Uploads Using POST".
"""

import base64
import binascii
import hmac
import json
import posixpath
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Self

from werkzeug.datastructures import MultiDict
from werkzeug.exceptions import HTTPException
from werkzeug.formparser import parse_form_data

from local_aws.gate import headers
from local_aws.gate.bodies import Body
from local_aws.gate.errors import FormRefusedError, SignatureMismatchError, SignatureVersionError, UnsignedError
from local_aws.gate.signatures import ALGORITHM, Scope, Signer, check_time
from local_aws.wsgi import Environ

_NOT_IN_POLICY = {"x-amz-signature", "policy", "file"}
_IGNORED = "x-ignore-"
_LOCK = "x-amz-object-lock-"
_RANGE = "content-length-range"
_MAX_FIELD_BYTES = 20 << 10
"""S3's limit for a form without its file."""

_STATUSES = {"200", "201", "204"}
_KEY_LIFETIME = timedelta(days=7)
"""The lifetime of a signing key; a policy has its own expiration."""


@dataclass(frozen=True, slots=True)
class UploadForm:
    """A form upload: its bucket, its fields by lower-case name, and the size of its file in bytes."""

    bucket: str
    fields: dict[str, str]
    size: int

    @classmethod
    def read(cls, environ: Environ, body: Body) -> Self:
        """Parse the form in `body`, whose file is rewound.

        Raises `FormRefusedError` for a form without a file or with a duplicate field, and `UnsignedError`.
        """
        try:
            _, values, files = parse_form_data(
                {**environ, "wsgi.input": body.file}, max_form_memory_size=_MAX_FIELD_BYTES
            )
        except (HTTPException, ValueError, KeyError) as error:
            raise FormRefusedError(f"the form cannot be parsed: {error}") from error
        body.file.seek(0)
        fields = _fields(values)
        uploads = list(files.items(multi=True))
        if [name for name, _ in uploads] != ["file"]:
            raise FormRefusedError("the form must have exactly one file, in the field 'file'")
        if "x-amz-signature" not in fields or "policy" not in fields:
            raise UnsignedError
        if "key" not in values:
            raise FormRefusedError("the form has no field 'key'")
        if values.get("success_action_status", "204") not in _STATUSES:
            raise FormRefusedError("success_action_status is not 200, 201 or 204")
        if locks := [name for name in fields if name.startswith(_LOCK)]:
            raise FormRefusedError(f"{', '.join(locks)} is not implemented by this endpoint")
        upload = uploads[0][1]
        size = upload.stream.seek(0, 2)
        fields["key"] = fields["key"].replace("${filename}", posixpath.basename(upload.filename or ""))  # as moto does
        return cls(environ["PATH_INFO"].strip("/"), fields, size)

    @property
    def key(self) -> str:
        """The key of the object to write."""
        return self.fields["key"]

    @property
    def token(self) -> str | None:
        """The session token, for temporary credentials."""
        return self.fields.get("x-amz-security-token")

    @property
    def signature(self) -> str:
        """The signature of the policy."""
        return self.fields["x-amz-signature"]

    @property
    def scope(self) -> Scope:
        """The credential scope of the signature."""
        if self.fields.get("x-amz-algorithm") != ALGORITHM:
            raise SignatureVersionError
        return Scope.parse(self.fields.get("x-amz-credential", ""))

    def verify(self, secret: str) -> None:
        """Raise a `GateError` unless the policy is signed with `secret`, has not expired, and allows the form."""
        timestamp = self.fields.get("x-amz-date", "")
        expected = Signer(self.scope, timestamp, secret).of_text(self.fields["policy"])
        if not hmac.compare_digest(self.signature.encode(), expected.encode()):
            raise SignatureMismatchError
        check_time(self.scope, timestamp, _KEY_LIFETIME)
        policy = self._policy()
        try:
            expires = datetime.fromisoformat(policy["expiration"])
        except (KeyError, TypeError, ValueError) as error:
            raise FormRefusedError("the policy has no valid expiration") from error
        if expires.tzinfo is None or expires < datetime.now(UTC):
            raise FormRefusedError("Policy expired.")
        covered = set(_NOT_IN_POLICY)
        for operator, field, value in _conditions(policy):
            self._check_condition(operator, field, value)
            covered.add(field)
        if not {"bucket", "key"} <= covered:
            raise FormRefusedError("the policy has no condition for the bucket or for the key")
        extra = [name for name in self.fields if name not in covered and not name.startswith(_IGNORED)]
        if extra:
            raise FormRefusedError(f"Extra input fields: {', '.join(extra)}")

    def _policy(self) -> dict[str, Any]:
        try:
            policy = json.loads(base64.b64decode(self.fields["policy"], validate=True))
        except (binascii.Error, ValueError) as error:
            raise FormRefusedError("the policy is not JSON in Base64") from error
        if not isinstance(policy, dict):
            raise FormRefusedError("the policy is not a JSON object")
        return policy

    def _check_condition(self, operator: str, field: str, value: Any) -> None:
        if operator == _RANGE:
            minimum, maximum = value
            if not minimum <= self.size <= maximum:
                raise FormRefusedError(f"the file has {self.size} bytes, not {minimum} to {maximum}")
            return
        actual = self.bucket if field == "bucket" else self.fields.get(field, "")
        holds = actual.startswith(value) if operator == "starts-with" else actual == value
        if not holds:
            raise FormRefusedError(f'Policy Condition failed: ["{operator}", "${field}", "{value}"]')


def _fields(values: MultiDict[str, str]) -> dict[str, str]:
    """Return the fields of a form; all but the key must be valid header values, since some become response headers."""
    if None in values:
        raise FormRefusedError("a part of the form has no name")
    pairs = [(name.lower(), value) for name, value in values.items(multi=True)]
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise FormRefusedError("the form has a field twice")
    if invalid := [name for name, value in pairs if name != "key" and not headers.is_value(value)]:
        raise FormRefusedError(f"{', '.join(invalid)}: the value has control characters or several lines")
    return fields


def _conditions(policy: dict[str, Any]) -> Iterator[tuple[str, str, Any]]:
    """Yield the conditions of a policy as operator, field and value; a range of lengths has an empty field."""
    conditions = policy.get("conditions")
    for condition in conditions if isinstance(conditions, list) else []:
        match condition:
            case dict():
                yield from (("eq", name.lower(), value) for name, value in condition.items())
            case [("eq" | "starts-with") as operator, str(field), str(value)] if field.startswith("$"):
                yield operator, field[1:].lower(), value
            case [str(operator), int(minimum), int(maximum)] if operator == _RANGE:
                yield _RANGE, "", (minimum, maximum)
            case _:
                raise FormRefusedError(f"the policy has an unknown condition: {condition}")


def is_form(environ: Environ) -> bool:
    """Return whether a request is a form upload: an unsigned POST of multipart/form-data to a bucket."""
    return bool(
        environ["REQUEST_METHOD"] == "POST"
        and "/" not in environ["PATH_INFO"].strip("/")
        and headers.media_type(environ) == headers.FORM
        and not environ.get("QUERY_STRING")
        and "HTTP_AUTHORIZATION" not in environ
    )

"""Form uploads to S3 ("POST Object"): a signed policy says what may be uploaded, and where.

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
from local_aws.gate.signatures import ALGORITHM, Environ, Scope, Signer, check_time

_NOT_IN_POLICY = {"x-amz-signature", "policy", "file"}
_IGNORED = "x-ignore-"
_LOCK = "x-amz-object-lock-"
_RANGE = "content-length-range"
_MOST_BYTES = 20 << 10
"""Bytes of a form without its file, as S3 takes them."""

_STATUSES = {"200", "201", "204"}
_LONGEST = timedelta(days=7)
"""How long a signing key is good for; a policy says itself when it expires."""


@dataclass(frozen=True, slots=True)
class Form:
    """A form upload: its fields by their names in lower case, its file's name and its length in bytes."""

    bucket: str
    fields: dict[str, str]
    size: int

    @classmethod
    def read(cls, environ: Environ, body: Body) -> Self:
        """Read the form in `body`, which stays to be read again.

        Raises `FormRefusedError` for one without a file or with a field that is there twice, and `UnsignedError`.
        """
        try:
            _, values, files = parse_form_data({**environ, "wsgi.input": body.file}, max_form_memory_size=_MOST_BYTES)
        except (HTTPException, ValueError, KeyError) as error:
            raise FormRefusedError(f"it cannot be read: {error}") from error
        body.file.seek(0)
        fields = _fields(values)
        uploads = list(files.items(multi=True))
        if [name for name, _ in uploads] != ["file"]:
            raise FormRefusedError("it has to have one file, in the field 'file'")
        if "x-amz-signature" not in fields or "policy" not in fields:
            raise UnsignedError
        if "key" not in values:
            raise FormRefusedError("it has no field 'key'")
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
        """The key of the object that it writes."""
        return self.fields["key"]

    @property
    def token(self) -> str | None:
        """The session token of the one who has signed it, where the key is a temporary one."""
        return self.fields.get("x-amz-security-token")

    @property
    def signature(self) -> str:
        """The signature of its policy."""
        return self.fields["x-amz-signature"]

    @property
    def scope(self) -> Scope:
        """What its policy is signed for."""
        if self.fields.get("x-amz-algorithm") != ALGORITHM:
            raise SignatureVersionError
        return Scope.parse(self.fields.get("x-amz-credential", ""))

    def verify(self, secret: str) -> None:
        """Raise unless the policy is signed with `secret`, has not expired, and allows all that the form says."""
        timestamp = self.fields.get("x-amz-date", "")
        expected = Signer(self.scope, timestamp, secret).of_text(self.fields["policy"])
        if not hmac.compare_digest(self.signature.encode(), expected.encode()):
            raise SignatureMismatchError
        check_time(self.scope, timestamp, _LONGEST)
        policy = self._policy()
        try:
            expires = datetime.fromisoformat(policy["expiration"])
        except (KeyError, TypeError, ValueError) as error:
            raise FormRefusedError("it has no expiration") from error
        if expires.tzinfo is None or expires < datetime.now(UTC):
            raise FormRefusedError("Policy expired.")
        covered = set(_NOT_IN_POLICY)
        for operator, field, value in _conditions(policy):
            self._hold(operator, field, value)
            covered.add(field)
        if not {"bucket", "key"} <= covered:
            raise FormRefusedError("it names no bucket or no key")
        extra = [name for name in self.fields if name not in covered and not name.startswith(_IGNORED)]
        if extra:
            raise FormRefusedError(f"Extra input fields: {', '.join(extra)}")

    def _policy(self) -> dict[str, Any]:
        try:
            policy = json.loads(base64.b64decode(self.fields["policy"], validate=True))
        except (binascii.Error, ValueError) as error:
            raise FormRefusedError("it is not JSON in Base64") from error
        if not isinstance(policy, dict):
            raise FormRefusedError("it is not an object")
        return policy

    def _hold(self, operator: str, field: str, value: Any) -> None:
        if operator == _RANGE:
            least, most = value
            if not least <= self.size <= most:
                raise FormRefusedError(f"the file has {self.size} bytes and not {least} to {most}")
            return
        actual = self.bucket if field == "bucket" else self.fields.get(field, "")
        holds = actual.startswith(value) if operator == "starts-with" else actual == value
        if not holds:
            raise FormRefusedError(f'Policy Condition failed: ["{operator}", "${field}", "{value}"]')


def _fields(values: MultiDict[str, str]) -> dict[str, str]:
    """Return the fields of a form; but for its key they may become headers of an answer."""
    if None in values:
        raise FormRefusedError("a part of it has no name")
    pairs = [(name.lower(), value) for name, value in values.items(multi=True)]
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise FormRefusedError("a field is there twice")
    if strange := [name for name, value in pairs if name != "key" and not headers.is_value(value)]:
        raise FormRefusedError(f"{', '.join(strange)}: what has a control character, or several lines, is no header")
    return fields


def _conditions(policy: dict[str, Any]) -> Iterator[tuple[str, str, Any]]:
    """Yield the conditions of a policy: operator, field and value, or the range of the length without a field."""
    conditions = policy.get("conditions")
    for condition in conditions if isinstance(conditions, list) else []:
        match condition:
            case dict():
                yield from (("eq", name.lower(), value) for name, value in condition.items())
            case [("eq" | "starts-with") as operator, str(field), str(value)] if field.startswith("$"):
                yield operator, field[1:].lower(), value
            case [str(word), int(least), int(most)] if word == _RANGE:
                yield _RANGE, "", (least, most)
            case _:
                raise FormRefusedError(f"it has a condition that S3 does not know: {condition}")


def is_form(environ: Environ) -> bool:
    """Return whether a request is a form upload: a form of several parts that is posted to a bucket."""
    return bool(
        environ["REQUEST_METHOD"] == "POST"
        and "/" not in environ["PATH_INFO"].strip("/")
        and headers.media_type(environ) == headers.FORM
        and not environ.get("QUERY_STRING")
        and "HTTP_AUTHORIZATION" not in environ
    )

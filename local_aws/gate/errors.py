"""Errors of the gate, with AWS's codes.

GateError                        base; sent to the client as the response
├── ForeignRequestError          the request comes from a web page or names another host
├── MalformedRequestError        the request is not valid HTTP or not valid for the service
├── UnsignedError                the request is not signed
├── SignatureVersionError        the signature is not of version 4
├── IncompleteSignatureError     the signature is incomplete or malformed
├── UnknownKeyError              the access key does not exist
├── TimeSkewError                the signature has expired or is not valid yet
├── SignatureMismatchError       the signature is wrong
├── BodyMismatchError            the body does not match its signed hash
├── FormRefusedError             a form upload is malformed or violates its policy
├── TooLargeError                the body exceeds AWS's limit
└── InternalFailureError         the endpoint itself failed
"""

_KEYS = 'the keys of this world are printed by: totelake env, and set by: eval "$(totelake env)"'


class GateError(Exception):
    """Base: `code` is AWS's error code in XML, `json_code` in JSON, `status` the HTTP status of a response in XML."""

    code = "AccessDenied"
    json_code = "AccessDeniedException"
    status = 403


class ForeignRequestError(GateError):
    """The request comes from a web page or names another host."""

    def __init__(self, header: str, value: str) -> None:
        """Name the offending `header` and its value."""
        super().__init__(
            "This endpoint serves only programs on this machine, no web pages, and only under its own host name: "
            f"{header} is {value!r}. Use the address that is printed by: totelake urls"
        )


class MalformedRequestError(GateError):
    """The request is not valid HTTP or not valid for the service."""

    status = 400

    def __init__(
        self,
        message: str,
        *,
        code: str = "InvalidRequest",
        json_code: str = "SerializationException",
        status: int = 400,
    ) -> None:
        """Describe what is malformed, with AWS's codes."""
        super().__init__(message)
        self.code, self.json_code, self.status = code, json_code, status


class TooLargeError(GateError):
    """The body exceeds AWS's limit."""

    code = json_code = "RequestEntityTooLarge"
    status = 413

    def __init__(self, max_bytes: int) -> None:
        """Name the limit, in bytes."""
        super().__init__(f"The body is larger than {max_bytes:,} bytes.")


class UnsignedError(GateError):
    """The request is not signed."""

    json_code = "MissingAuthenticationTokenException"

    def __init__(self) -> None:
        """Name the commands that show the keys."""
        super().__init__(f"The request is not signed; {_KEYS}")


class SignatureVersionError(GateError):
    """The signature is not of version 4."""

    code = "InvalidRequest"
    json_code = "IncompleteSignatureException"
    status = 400

    def __init__(self) -> None:
        """Name the supported version."""
        super().__init__("The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256.")


class IncompleteSignatureError(GateError):
    """The signature is incomplete or malformed."""

    code = "AuthorizationQueryParametersError"
    json_code = "IncompleteSignatureException"
    status = 400

    def __init__(self, reason: str) -> None:
        """Describe what is missing or malformed."""
        super().__init__(f"The signature of the request is incomplete or malformed: {reason}.")


class UnknownKeyError(GateError):
    """The access key does not exist."""

    code = "InvalidAccessKeyId"
    json_code = "UnrecognizedClientException"

    def __init__(self) -> None:
        """Name the commands that show the keys."""
        super().__init__(f"The AWS access key ID does not exist in this world; {_KEYS}")


class TimeSkewError(GateError):
    """The signature has expired, is from before the start of the endpoint, or is from the future."""

    code = "RequestTimeTooSkewed"
    json_code = "InvalidSignatureException"

    def __init__(self, timestamp: str) -> None:
        """Name the time of signing."""
        super().__init__(
            f"The signature of {timestamp} has expired, has another date than its scope, is from the future, or is "
            "from before the start of this endpoint."
        )


class SignatureMismatchError(GateError):
    """The signature is wrong: another secret, or the request was changed after signing."""

    code = "SignatureDoesNotMatch"
    json_code = "InvalidSignatureException"

    def __init__(self, reason: str = "") -> None:
        """Add the `reason`, if it is known."""
        ending = f": {reason}" if reason else "."
        super().__init__(
            "The request signature we calculated does not match the signature you provided. Check your AWS Secret "
            f"Access Key and signing method{ending}"
        )


class BodyMismatchError(GateError):
    """The body does not match its signed hash."""

    code = json_code = "XAmzContentSHA256Mismatch"
    status = 400

    def __init__(self) -> None:
        """Name the header."""
        super().__init__("The provided 'x-amz-content-sha256' header does not match what was computed.")


class FormRefusedError(GateError):
    """A form upload is malformed or violates its policy."""

    def __init__(self, reason: str) -> None:
        """Describe the violation."""
        super().__init__(f"Invalid according to Policy: {reason}")


class InternalFailureError(GateError):
    """The endpoint itself failed."""

    code, json_code, status = "InternalError", "InternalFailure", 500

    def __init__(self) -> None:
        """Name the log."""
        super().__init__("The endpoint failed on this request; see its log, logs/endpoint.log.")

"""What the gate refuses, with AWS's codes.

GateError                        what a client gets as an answer
├── ForeignRequestError          it comes from a web page, or was sent to a name that is not this machine's
├── MalformedRequestError        it is no request that AWS would understand
├── UnsignedError                it is not signed
├── SignatureVersionError        it is signed in a way that AWS no longer takes
├── IncompleteSignatureError     its signature is not whole
├── UnknownKeyError              nobody has its access key
├── TimeSkewError                it was signed at another time
├── SignatureMismatchError       it is not signed with the secret of its key
├── BodyMismatchError            its body is not the one that was signed
├── FormRefusedError             a form upload has no policy, or does not fulfil it
├── TooLargeError                its body is larger than AWS takes
└── InternalFailureError         the endpoint itself failed at it
"""

_KEYS = 'the keys of this world are printed by: totelake env, and set by: eval "$(totelake env)"'


class GateError(Exception):
    """A refusal: `code` is AWS's word for it in XML, `json_code` in JSON, `status` that of an answer in XML."""

    code = "AccessDenied"
    json_code = "AccessDeniedException"
    status = 403


class ForeignRequestError(GateError):
    """A request that a web page sent, or one to a name that is not this machine's."""

    def __init__(self, header: str, value: str) -> None:
        """Name the `header` that gives it away, and its value."""
        super().__init__(
            f"This endpoint answers programs of this machine only, not web pages and not other names: {header} is "
            f"{value!r}. Use the address that is printed by: totelake urls"
        )


class MalformedRequestError(GateError):
    """A request that cannot be read."""

    status = 400

    def __init__(
        self,
        message: str,
        *,
        code: str = "InvalidRequest",
        json_code: str = "SerializationException",
        status: int = 400,
    ) -> None:
        """Say what cannot be read, under AWS's codes."""
        super().__init__(message)
        self.code, self.json_code, self.status = code, json_code, status


class TooLargeError(GateError):
    """A request whose body is larger than any that AWS takes in one piece."""

    code = json_code = "RequestEntityTooLarge"
    status = 413

    def __init__(self, most: int) -> None:
        """Name the limit, in bytes."""
        super().__init__(f"The body is larger than {most:,} bytes.")


class UnsignedError(GateError):
    """A request without a signature."""

    json_code = "MissingAuthenticationTokenException"

    def __init__(self) -> None:
        """Say where the keys are."""
        super().__init__(f"The request is not signed; {_KEYS}")


class SignatureVersionError(GateError):
    """A signature of another version than 4."""

    code = "InvalidRequest"
    json_code = "IncompleteSignatureException"
    status = 400

    def __init__(self) -> None:
        """Say which version is meant."""
        super().__init__("The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256.")


class IncompleteSignatureError(GateError):
    """A signature that lacks something."""

    code = "AuthorizationQueryParametersError"
    json_code = "IncompleteSignatureException"
    status = 400

    def __init__(self, reason: str) -> None:
        """Say what is wrong with it."""
        super().__init__(f"The signature of the request is not whole: {reason}.")


class UnknownKeyError(GateError):
    """An access key that nobody has."""

    code = "InvalidAccessKeyId"
    json_code = "UnrecognizedClientException"

    def __init__(self) -> None:
        """Say where the keys are."""
        super().__init__(f"The AWS access key ID does not exist in this world; {_KEYS}")


class TimeSkewError(GateError):
    """A request that was not signed just now or before the endpoint was started, or a URL that has expired."""

    code = "RequestTimeTooSkewed"
    json_code = "InvalidSignatureException"

    def __init__(self, timestamp: str) -> None:
        """Name the time of signing."""
        super().__init__(
            f"The signature of {timestamp} has expired, is of another day or of the future, or is older than this "
            "endpoint, which was started since."
        )


class SignatureMismatchError(GateError):
    """A request that somebody else signed, or that was changed since."""

    code = "SignatureDoesNotMatch"
    json_code = "InvalidSignatureException"

    def __init__(self, reason: str = "") -> None:
        """Say what in particular is wrong, where that is known."""
        because = f": {reason}" if reason else "."
        super().__init__(
            "The request signature we calculated does not match the signature you provided. Check your AWS Secret "
            f"Access Key and signing method{because}"
        )


class BodyMismatchError(GateError):
    """A body that is not the one that was signed."""

    code = json_code = "XAmzContentSHA256Mismatch"
    status = 400

    def __init__(self) -> None:
        """Say what does not match."""
        super().__init__("The provided 'x-amz-content-sha256' header does not match what was computed.")


class FormRefusedError(GateError):
    """A form upload that its policy does not allow."""

    def __init__(self, reason: str) -> None:
        """Say what is not as the policy says."""
        super().__init__(f"Invalid according to Policy: {reason}")


class InternalFailureError(GateError):
    """A request at which the endpoint itself failed."""

    code, json_code, status = "InternalError", "InternalFailure", 500

    def __init__(self) -> None:
        """Say where the reason is."""
        super().__init__("The endpoint failed at this request; why is in its log, logs/endpoint.log.")

"""Maps driver and SDK errors to totelake errors, and so tells transient errors from permanent ones.

A database error reaches a stage as a psycopg error, as a Java exception from Spark, or as the text of an ADBC error
from an executor; an AWS error as a boto error or a Java exception.
"""

import re
from collections.abc import Iterator
from typing import Any, Protocol, runtime_checkable

import adbc_driver_manager as adbc
import psycopg
from botocore import exceptions as boto
from py4j.protocol import Py4JJavaError

from totelake.runtime.errors import (
    AwsUnavailableError,
    DatabaseInterruptedError,
    DatabaseReadOnlyError,
    DatabaseRefusedError,
    DatabaseUnavailableError,
    StorageFullError,
    TotelakeError,
)

type _ErrorType = type[TotelakeError]


@runtime_checkable
class Located(Protocol):
    """The address of a database."""

    @property
    def place(self) -> str:
        """The role and the address of the database, for messages."""


_DATABASE_ERRORS: tuple[_ErrorType, ...] = (
    DatabaseReadOnlyError,
    DatabaseRefusedError,
    DatabaseInterruptedError,
    DatabaseUnavailableError,
)
# Of several error types in a chain of causes, the first of these applies.
_PRECEDENCE: tuple[_ErrorType, ...] = (StorageFullError, *_DATABASE_ERRORS, AwsUnavailableError)

_DISK_FULL = re.compile("no space left on device", re.IGNORECASE)
_WRITING = re.compile(r"(while writing rows to s3://\S+?)\.?(\s|\Z)")  # Spark's context of a failed write

# By prefix of the SQLSTATE, the first match applies: postgresql.org/docs/current/errcodes-appendix.html
_SQLSTATES: dict[str, _ErrorType] = {
    "53100": StorageFullError,
    "08004": DatabaseRefusedError,  # pgjdbc: the server requires another authentication method
    "28": DatabaseRefusedError,  # wrong password, no such role, no line in pg_hba.conf
    "3D000": DatabaseRefusedError,  # no such database
    "42501": DatabaseRefusedError,  # permission denied
    "57P04": DatabaseRefusedError,  # the database was dropped
    "25006": DatabaseReadOnlyError,  # read-only transaction: a standby, or default_transaction_read_only
    "25P03": DatabaseInterruptedError,  # idle in its transaction for too long
    "25P04": DatabaseInterruptedError,  # transaction timeout
    "40001": DatabaseInterruptedError,  # serialization failure; on a standby, conflict with recovery
    "40P01": DatabaseInterruptedError,  # deadlock
    "55P03": DatabaseInterruptedError,  # lock timeout
    "57014": DatabaseInterruptedError,  # statement timeout, or cancelled manually
    "08": DatabaseUnavailableError,
    "53300": DatabaseUnavailableError,  # too many connections
    "57P": DatabaseUnavailableError,  # shutdown, crash of another session, starting up, session timeout
}

# By message, where there is no SQLSTATE: libpq's errors while a session starts or breaks, and all of ADBC's.
_MESSAGES: dict[_ErrorType, re.Pattern[str]] = {
    DatabaseReadOnlyError: re.compile(r"cannot execute .+ in a read-only transaction", re.IGNORECASE),
    DatabaseRefusedError: re.compile(
        r"password authentication failed|no password supplied|no pg_hba.conf entry|not permitted to log in"
        r"|(database|role) \".*\" does not exist|permission denied|name or service not known",
        re.IGNORECASE,
    ),
    DatabaseInterruptedError: re.compile(
        r"deadlock detected|could not serialize|canceling statement|due to (transaction|idle-in-transaction) timeout"
        r"|serializable isolation violation|conflict with concurrent transaction|cancelled on user's request",
        re.IGNORECASE,
    ),
    DatabaseUnavailableError: re.compile(
        r"connection refused|connection reset|connection timed out|timeout expired|no route to host|unreachable"
        r"|server closed the connection|the connection is (closed|lost)|broken pipe|could not (receive|send) data"
        r"|ssl (syscall error|connection has been closed)|temporary failure in name resolution"
        r"|the database system is (starting up|shutting down|in recovery mode|not (yet )?accepting connections)"
        r"|too many (clients|connections)|remaining connection slots|terminating connection",
        re.IGNORECASE,
    ),
}

# The exporting session has ended, and its snapshot with it. The SQLSTATEs, 42704 and 22023, have other meanings too.
_SNAPSHOT_LOST = re.compile(r"snapshot \".*\" does not exist|invalid snapshot identifier|could not import the snapshot")
_ADBC = re.compile(r"^adbc_driver_manager\.\w+: (?P<message>.+?)(?:\n\s*\n|\Z)", re.MULTILINE | re.DOTALL)

_AWS_CONNECTION_ERRORS = (boto.ConnectionError, boto.HTTPClientError, boto.IncompleteReadError)
_AWS_THROTTLED = re.compile(
    r"throttl|slowdown|requestlimitexceeded|toomanyrequests|requesttimeout|active(statements|sessions)exceeded",
    re.IGNORECASE,
)
_SERVER_ERROR = 500
_INSUFFICIENT_STORAGE = 507
_JAVA_CONNECTION_ERRORS = re.compile(
    r"java\.net\.(ConnectException|SocketException|SocketTimeoutException|NoRouteToHostException)"
    r"|org\.apache\.hadoop\.(net\.ConnectTimeoutException|fs\.s3a\.AWS(ServiceThrottled|Status500)Exception)"
)


def explain(error: BaseException, database: str, located: Located | None) -> TotelakeError | None:
    """Return the totelake error for `error`, None when it is one already or no mapping applies.

    `located` has the address of the stage's database, and `database` is its name in messages.
    """
    if isinstance(error, TotelakeError):
        return None
    first = min(_candidates(error), key=lambda candidate: _PRECEDENCE.index(candidate[0]), default=None)
    if first is None:
        return None
    return _build(*first, f"{database} ({located.place})" if located else database)


def explain_message(database: str, text: str) -> TotelakeError | None:
    """Return the totelake error for the `text` of a database error, None when no mapping applies."""
    error_type = _classify_database(None, text)
    return _build(error_type, text, database) if error_type else None


def server_message(error: psycopg.Error) -> str:
    """Return the server's message, detail, hint and context of `error` in one line."""
    diagnosis = error.diag
    parts = (diagnosis.message_primary, diagnosis.message_detail, diagnosis.message_hint, diagnosis.context)
    lines = [" ".join(part.split()).removesuffix(".") for part in parts if part]
    return "; ".join(lines) or " ".join(str(error).split())


def _build(error_type: _ErrorType, message: str, database: str) -> TotelakeError:
    text = " ".join(message.split()).removesuffix(".")
    return error_type(database, text) if error_type in _DATABASE_ERRORS else error_type(text)


def _candidates(error: BaseException | None) -> Iterator[tuple[_ErrorType, str]]:
    """Yield the error type and message of `error` and of each of its causes, where a mapping applies."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        if isinstance(error, Py4JJavaError):
            yield from _java_candidates(error.java_exception)
        elif error_type := _classify(error):
            yield error_type, server_message(error) if isinstance(error, psycopg.Error) else str(error)
        error = error.__cause__ or error.__context__


def _classify(error: BaseException) -> _ErrorType | None:
    text = str(error)
    if isinstance(error, psycopg.Error):
        return _classify_database(error.sqlstate, text)
    if _DISK_FULL.search(text):
        return StorageFullError
    if isinstance(error, adbc.Error):
        return _classify_database(error.sqlstate, text)
    if isinstance(error, boto.ClientError):
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        if status == _INSUFFICIENT_STORAGE:
            return StorageFullError
        busy = _AWS_THROTTLED.search(error.response.get("Error", {}).get("Code", ""))
        return AwsUnavailableError if busy or status >= _SERVER_ERROR else None
    return AwsUnavailableError if isinstance(error, _AWS_CONNECTION_ERRORS) else None


def _java_candidates(error: Any) -> Iterator[tuple[_ErrorType, str]]:
    """Yield the same for a Java exception and its causes; Spark's own exceptions only repeat their causes' messages."""
    of_database, written = False, ""
    while error is not None:
        name, text = error.getClass().getName(), error.getMessage() or ""
        error_type: _ErrorType | None = None
        if writing := _WRITING.search(text):
            written = f" {writing[1]}"
        if name == "org.postgresql.util.PSQLException":
            of_database = True
            error_type = _classify_database(error.getSQLState(), text)
        elif name == "org.apache.spark.api.python.PythonException" and (copied := _ADBC.search(text)):
            text = copied["message"]
            error_type = _classify_database(None, text)
        elif not name.startswith("org.apache.spark."):
            error_type = _classify_java(name, text, of_database=of_database)
        if error_type:
            yield error_type, (text or name) + (written if error_type is StorageFullError else "")
        error = error.getCause()


def _classify_java(name: str, text: str, *, of_database: bool) -> _ErrorType | None:
    if _DISK_FULL.search(text):
        return StorageFullError
    if of_database:  # a cause of pgjdbc's error, whose SQLSTATE does not distinguish an unknown host
        return DatabaseRefusedError if name == "java.net.UnknownHostException" and "Temporary" not in text else None
    return AwsUnavailableError if _JAVA_CONNECTION_ERRORS.fullmatch(name) else None


def _classify_database(sqlstate: str | None, text: str) -> _ErrorType | None:
    """Return the type of a database error by its SQLSTATE, or by its message if it has none."""
    if _SNAPSHOT_LOST.search(text):
        return DatabaseInterruptedError
    if _DISK_FULL.search(text):
        return StorageFullError
    if sqlstate:
        return next((error_type for code, error_type in _SQLSTATES.items() if sqlstate.startswith(code)), None)
    return next((error_type for error_type, words in _MESSAGES.items() if words.search(text)), None)

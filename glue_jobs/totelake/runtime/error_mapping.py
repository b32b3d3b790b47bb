"""Faults from outside, told apart: which of them may pass by themselves, and which do not.

What goes wrong with a database reaches a stage as psycopg's error, as Java's out of Spark, or as the text of ADBC's out
of an executor; what goes wrong with AWS as boto's or as Java's. `explain` makes an error of totelake of it, whose type
says whether it may pass.
"""

import re
from collections.abc import Iterator
from typing import Any, Protocol, runtime_checkable

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

type _Fault = type[TotelakeError]


@runtime_checkable
class Located(Protocol):
    """What a database is reached by."""

    @property
    def place(self) -> str:
        """Where the database is and by which role it is reached."""


_OF_DATABASE: tuple[_Fault, ...] = (
    DatabaseReadOnlyError,
    DatabaseRefusedError,
    DatabaseInterruptedError,
    DatabaseUnavailableError,
)
# Where a chain of errors tells of several, the first of these decides.
_FAULTS: tuple[_Fault, ...] = (StorageFullError, *_OF_DATABASE, AwsUnavailableError)

_FULL = re.compile("no space left on device", re.IGNORECASE)
_WRITING = re.compile(r"(while writing rows to s3://\S+?)\.?(\s|\Z)")  # Spark's words around that

# By the beginning of the SQLSTATE, the first that fits: postgresql.org/docs/current/errcodes-appendix.html
_SQLSTATES: dict[str, _Fault] = {
    "53100": StorageFullError,
    "08004": DatabaseRefusedError,  # pgjdbc: the server wants another kind of login
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
    "57014": DatabaseInterruptedError,  # statement timeout, or cancelled by hand
    "08": DatabaseUnavailableError,
    "53300": DatabaseUnavailableError,  # too many connections
    "57P": DatabaseUnavailableError,  # shutdown, crash of another session, starting up, session timeout
}

# By words, where no SQLSTATE comes along: libpq's errors while a session begins or breaks, and all of ADBC's.
_WORDS: dict[_Fault, re.Pattern[str]] = {
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

# The snapshot went with whoever exported it: the SQLSTATEs of that, 42704 and 22023, mean other things as well.
_SNAPSHOT_GONE = re.compile(r"snapshot \".*\" does not exist|invalid snapshot identifier|could not import the snapshot")
_ADBC = re.compile(r"^adbc_driver_manager\.\w+: (?P<said>.+?)(?:\n\s*\n|\Z)", re.MULTILINE | re.DOTALL)

_AWS_LOST = (boto.ConnectionError, boto.HTTPClientError, boto.IncompleteReadError)
_AWS_BUSY = re.compile(
    r"throttl|slowdown|requestlimitexceeded|toomanyrequests|requesttimeout|active(statements|sessions)exceeded",
    re.IGNORECASE,
)
_SERVER_ERROR = 500
_JAVA_LOST = re.compile(
    r"java\.net\.(ConnectException|SocketException|SocketTimeoutException|NoRouteToHostException)"
    r"|org\.apache\.hadoop\.(net\.ConnectTimeoutException|fs\.s3a\.AWS(ServiceThrottled|Status500)Exception)"
)


def explain(error: BaseException, database: str, located: Located | None) -> TotelakeError | None:
    """Return the error of totelake that says what `error` is, None when it is one already or is not known.

    `located` is how the stage's database is reached, and `database` what it is called.
    """
    if isinstance(error, TotelakeError):
        return None
    found = min(_faults(error), key=lambda found: _FAULTS.index(found[0]), default=None)
    if found is None:
        return None
    return _made(*found, f"{database} ({located.place})" if located else database)


def said_by(database: str, text: str) -> TotelakeError | None:
    """Return the error of totelake that the `text` of a database's error is, None when it is not known."""
    fault = _database_fault(None, text)
    return _made(fault, text, database) if fault else None


def told(error: psycopg.Error) -> str:
    """Return what the server says of `error` in one line: its message, detail, hint and context."""
    diagnosis = error.diag
    parts = (diagnosis.message_primary, diagnosis.message_detail, diagnosis.message_hint, diagnosis.context)
    said = [" ".join(part.split()).removesuffix(".") for part in parts if part]
    return "; ".join(said) or " ".join(str(error).split())


def _made(fault: _Fault, said: str, database: str) -> TotelakeError:
    text = " ".join(said.split()).removesuffix(".")
    return fault(database, text) if fault in _OF_DATABASE else fault(text)


def _faults(error: BaseException | None) -> Iterator[tuple[_Fault, str]]:
    """Yield what is known of `error` and of all that led to it, each with its words."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        if isinstance(error, Py4JJavaError):
            yield from _java_faults(error.java_exception)
        elif fault := _fault(error):
            yield fault, told(error) if isinstance(error, psycopg.Error) else str(error)
        error = error.__cause__ or error.__context__


def _fault(error: BaseException) -> _Fault | None:
    text = str(error)
    if isinstance(error, psycopg.Error):
        return _database_fault(error.sqlstate, text)
    if _FULL.search(text):
        return StorageFullError
    if isinstance(error, boto.ClientError):
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        busy = _AWS_BUSY.search(error.response.get("Error", {}).get("Code", ""))
        return AwsUnavailableError if busy or status >= _SERVER_ERROR else None
    return AwsUnavailableError if isinstance(error, _AWS_LOST) else None


def _java_faults(error: Any) -> Iterator[tuple[_Fault, str]]:
    """Yield what is known of a Java exception and its causes; Spark's own only repeat the words of their causes."""
    of_database, written = False, ""
    while error is not None:
        name, text = error.getClass().getName(), error.getMessage() or ""
        fault: _Fault | None = None
        if writing := _WRITING.search(text):
            written = f" {writing[1]}"
        if name == "org.postgresql.util.PSQLException":
            of_database = True
            fault = _database_fault(error.getSQLState(), text)
        elif name == "org.apache.spark.api.python.PythonException" and (adbc := _ADBC.search(text)):
            text = adbc["said"]
            fault = _database_fault(None, text)
        elif not name.startswith("org.apache.spark."):
            fault = _java_fault(name, text, of_database=of_database)
        if fault:
            yield fault, (text or name) + (written if fault is StorageFullError else "")
        error = error.getCause()


def _java_fault(name: str, text: str, *, of_database: bool) -> _Fault | None:
    if _FULL.search(text):
        return StorageFullError
    if of_database:  # what is below pgjdbc's error, which has the same SQLSTATE for a host that is not known
        return DatabaseRefusedError if name == "java.net.UnknownHostException" and "Temporary" not in text else None
    return AwsUnavailableError if _JAVA_LOST.fullmatch(name) else None


def _database_fault(sqlstate: str | None, text: str) -> _Fault | None:
    """Return what a database's error is: by its SQLSTATE, by its words where it has none."""
    if _SNAPSHOT_GONE.search(text):
        return DatabaseInterruptedError
    if _FULL.search(text):
        return StorageFullError
    if sqlstate:
        return next((fault for code, fault in _SQLSTATES.items() if sqlstate.startswith(code)), None)
    return next((fault for fault, words in _WORDS.items() if words.search(text)), None)

"""The mapping of driver and SDK errors, with their real messages, to totelake errors."""

import psycopg
import pytest
from botocore import exceptions as boto
from py4j.protocol import Py4JJavaError

from totelake.runtime.connections import Login
from totelake.runtime.error_mapping import explain
from totelake.runtime.errors import (
    AwsUnavailableError,
    CommitConflictError,
    DatabaseInterruptedError,
    DatabaseReadOnlyError,
    DatabaseRefusedError,
    DatabaseUnavailableError,
    StorageFullError,
    TotelakeError,
    TransientError,
)

LOGIN = Login("10.0.0.7", 5432, "totesys", "reader", "a password")
CONNECTING = 'connection failed: connection to server at "10.0.0.7", port 5432 failed: '


class JavaException:
    """The py4j view of a Java exception."""

    _target_id = "o1"

    def __init__(self, name, message, cause=None, sqlstate=None):
        """Build an exception of the class `name`."""
        self.getClass = lambda: self
        self.getName = lambda: name
        self.getMessage = lambda: message
        self.getCause = lambda: cause
        self.getSQLState = lambda: sqlstate


def sqlstate(code, message):
    """Return psycopg's error for an SQLSTATE."""
    return psycopg.errors.lookup(code)(message)


def spark_error(*causes):
    """Return py4j's error for a job aborted by these causes, each the cause of the one before."""
    exception = None
    for name, message, *code in reversed(causes):
        exception = JavaException(name, message, exception, *code)
    summary = f"Job aborted due to stage failure: Task 0 in stage 4.0 failed 1 times: {causes[0][0]}: {causes[0][1]}"
    return Py4JJavaError(
        "An error occurred while calling o410.parquet.",
        JavaException("org.apache.spark.SparkException", summary, exception),
    )


def jdbc_error(code, message, *below):
    """Return the error of an executor in which pgjdbc failed."""
    return spark_error(("org.postgresql.util.PSQLException", message, code), *below)


def adbc_error(message):
    """Return the error of an executor in which ADBC failed with `message`."""
    trace = (
        'Traceback (most recent call last):\n  File "/glue/staging.py", line 102, in copy_partition\n'
        "    with dbapi.connect(conninfo) as connection, connection.cursor() as cursor:\n"
        f'  File "adbc_driver_manager/_lib.pyx", line 262, in adbc_driver_manager._lib.check_error\n{message}\n\n'
    )
    return spark_error(("org.apache.spark.api.python.PythonException", trace))


def aws_error(code, status):
    """Return boto's error for a code and an HTTP status of AWS."""
    return boto.ClientError({"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}, "PutObject")


UNAVAILABLE = [
    psycopg.OperationalError(f"{CONNECTING}Connection refused\n\tIs the server running on that host?"),
    psycopg.OperationalError(f"{CONNECTING}FATAL:  the database system is starting up"),
    psycopg.OperationalError(f"{CONNECTING}FATAL:  the database system is shutting down"),
    psycopg.OperationalError(f"{CONNECTING}FATAL:  the database system is in recovery mode"),
    psycopg.OperationalError(f"{CONNECTING}FATAL:  the database system is not yet accepting connections"),
    psycopg.OperationalError(f'{CONNECTING}FATAL:  too many connections for role "reader"'),
    psycopg.OperationalError(f"{CONNECTING}FATAL:  sorry, too many clients already"),
    psycopg.OperationalError(
        "consuming input failed: server closed the connection unexpectedly\n\tThis probably means"
    ),
    psycopg.OperationalError("consuming input failed: could not receive data from server: Connection reset by peer"),
    psycopg.OperationalError("failed to resolve host 'x': [Errno -3] Temporary failure in name resolution"),
    psycopg.OperationalError("the connection is closed"),
    psycopg.errors.ConnectionTimeout("connection timeout expired"),
    sqlstate("57P01", "terminating connection due to administrator command"),
    sqlstate("57P02", "terminating connection because of crash of another server process"),
    sqlstate("57P03", "the database system is starting up"),
    sqlstate("53300", "too many connections"),
    sqlstate("08006", "connection failure"),
    jdbc_error("57P01", "FATAL: terminating connection due to administrator command"),
    jdbc_error("08001", "Connection to 10.0.0.7:5432 refused.", ("java.net.ConnectException", "Connection refused")),
    jdbc_error("08006", "An I/O error occurred while sending to the backend.", ("java.io.EOFException", None)),
    jdbc_error(
        "08001",
        "The connection attempt failed.",
        ("java.net.UnknownHostException", "x: Temporary failure in name resolution"),
    ),
    adbc_error(
        "adbc_driver_manager.OperationalError: IO: Error writing tuple field data: server closed the connection"
    ),
    adbc_error(
        "adbc_driver_manager.OperationalError: IO: [libpq] Failed to connect: connection to server at "
        '"10.0.0.7", port 5432 failed: Connection refused\n\tIs the server running on that host?'
    ),
    adbc_error(
        "adbc_driver_manager.OperationalError: IO: [libpq] Failed to connect: connection to server at "
        '"10.0.0.7", port 5432 failed: FATAL:  the database system is shutting down'
    ),
]
INTERRUPTED = [
    sqlstate("40P01", "deadlock detected"),
    sqlstate("40001", "could not serialize access due to concurrent update"),
    sqlstate("57014", "canceling statement due to statement timeout"),
    sqlstate("55P03", "canceling statement due to lock timeout"),
    sqlstate("25P04", "terminating connection due to transaction timeout"),
    adbc_error(
        "adbc_driver_manager.OperationalError: IO: [libpq] Failed to execute COPY statement: "
        "FATAL:  terminating connection due to transaction timeout\nserver closed the connection unexpectedly"
    ),
    sqlstate("25P03", "terminating connection due to idle-in-transaction timeout"),
    jdbc_error("57014", "ERROR: canceling statement due to statement timeout"),
    jdbc_error("42704", 'ERROR: snapshot "00000010-00000003-1" does not exist'),
    jdbc_error("22023", 'ERROR: invalid snapshot identifier: "00000010-00000003-1"'),
    adbc_error(
        "adbc_driver_manager.OperationalError: CANCELLED: [libpq] Failed to execute COPY statement: PGRES_FATAL_ERROR "
        "ERROR:  canceling statement due to statement timeout\nCONTEXT:  COPY x, line 553000"
    ),
]
REFUSED = [
    psycopg.OperationalError(f'{CONNECTING}FATAL:  password authentication failed for user "reader"'),
    psycopg.OperationalError(f'{CONNECTING}FATAL:  database "totesys" does not exist'),
    psycopg.OperationalError(f'{CONNECTING}FATAL:  role "reader" is not permitted to log in'),
    psycopg.OperationalError(f'{CONNECTING}FATAL:  no pg_hba.conf entry for host "10.0.0.9", user "reader"'),
    psycopg.OperationalError(
        f'{CONNECTING}FATAL:  permission denied for database "totesys"\nDETAIL:  User does not have CONNECT privilege.'
    ),
    psycopg.OperationalError("failed to resolve host 'no.such.host': [Errno -2] Name or service not known"),
    psycopg.OperationalError(
        'connection to server at "::1", port 5432 failed: Connection refused\n'
        'connection to server at "127.0.0.1", port 5432 failed: FATAL:  password authentication failed for user "r"'
    ),
    sqlstate("42501", "permission denied for table staff"),
    jdbc_error("28P01", 'FATAL: password authentication failed for user "reader"'),
    jdbc_error("3D000", 'FATAL: database "totesys" does not exist'),
    jdbc_error("08001", "The connection attempt failed.", ("java.net.UnknownHostException", "no.such.host")),
    adbc_error(
        "adbc_driver_manager.OperationalError: IO: [libpq] Failed to connect: could not translate host name "
        '"no.such.host" to address: Name or service not known'
    ),
]
READ_ONLY = [
    sqlstate("25006", "cannot execute CREATE TABLE in a read-only transaction"),
    jdbc_error("25006", "ERROR: cannot execute INSERT in a read-only transaction"),
    adbc_error(
        "adbc_driver_manager.InternalError: INTERNAL: [libpq] Failed to execute COPY statement: PGRES_FATAL_ERROR "
        "ERROR:  cannot execute COPY FROM in a read-only transaction"
    ),
]
AWS_UNAVAILABLE = [
    boto.EndpointConnectionError(endpoint_url="http://127.0.0.1:1/"),
    boto.ConnectionClosedError(endpoint_url="http://127.0.0.1:1/"),
    boto.ReadTimeoutError(endpoint_url="http://127.0.0.1:1/"),
    aws_error("InternalError", 500),
    aws_error("SlowDown", 503),
    aws_error("ThrottlingException", 400),
    spark_error(("java.net.SocketTimeoutException", "Read timed out")),
]
FULL = [
    sqlstate("53100", 'could not extend file "base/5/16384": No space left on device'),
    adbc_error(
        "adbc_driver_manager.OperationalError: IO: [libpq] Failed to execute COPY statement: PGRES_FATAL_ERROR "
        'ERROR:  could not extend file "base/5/16384": No space left on device'
    ),
    spark_error(
        ("org.apache.spark.SparkException", "[TASK_WRITE_FAILED] Task failed while writing rows to s3://b/x."),
        ("org.apache.hadoop.fs.FSError", "java.io.IOException: No space left on device"),
        ("java.io.IOException", "No space left on device"),
    ),
]
UNKNOWN = [
    ValueError("connection refused"),
    KeyError("deadlock detected"),
    sqlstate("23505", "Key (email)=(the connection is closed) already exists"),
    sqlstate("42704", 'type "money" does not exist'),
    jdbc_error("22P02", 'ERROR: invalid input syntax for type integer: "deadlock detected"'),
    adbc_error('adbc_driver_manager.ProgrammingError: NOT_FOUND: ERROR:  relation "staging.x" does not exist'),
    aws_error("NoSuchBucket", 404),
    aws_error("AccessDenied", 403),
    spark_error(("java.lang.ArithmeticException", "the connection is closed")),
    CommitConflictError("bucket", 7, "batch"),
]
ERRORS_BY_CLASS = {
    DatabaseUnavailableError: UNAVAILABLE,
    DatabaseInterruptedError: INTERRUPTED,
    DatabaseRefusedError: REFUSED,
    DatabaseReadOnlyError: READ_ONLY,
    AwsUnavailableError: AWS_UNAVAILABLE,
    StorageFullError: FULL,
    type(None): UNKNOWN,
}


@pytest.mark.parametrize(
    ("error", "kind"),
    [(error, kind) for kind, errors in ERRORS_BY_CLASS.items() for error in errors],
    ids=lambda value: value.__name__ if isinstance(value, type) else "",
)
def test_error_is_mapped_by_its_message(error, kind):
    """From Postgres through psycopg, pgjdbc and ADBC, from AWS through boto, and from Spark."""
    assert type(explain(error, "totesys", LOGIN)) is kind


def test_error_class_says_whether_an_error_is_transient():
    """No other attribute is needed."""
    transient = {kind for kind in ERRORS_BY_CLASS if issubclass(kind, TransientError)}

    assert transient == {DatabaseUnavailableError, DatabaseInterruptedError, AwsUnavailableError}
    assert {StorageFullError, DatabaseRefusedError} <= set(TotelakeError.__subclasses__())


def test_error_names_database_and_role_without_the_password():
    """In one line, the message of the failed job."""
    explained = explain(REFUSED[4], "totesys", LOGIN)

    assert str(explained).startswith("totesys (reader at 10.0.0.7:5432/totesys) refused access: connection failed: ")
    assert "User does not have CONNECT privilege. No data was lost. Correct the Glue connection" in str(explained)
    assert "\n" not in str(explained)
    assert LOGIN.password not in str(explained)


def test_full_disk_is_reported_with_the_path_written():
    """Spark's message has the path, Java's the cause."""
    message = (
        "java.io.IOException: No space left on device while writing rows to s3://b/x. Nothing of the batch is visible."
    )

    assert str(explain(FULL[-1], "totesys", LOGIN)).startswith(message)


def raised(error, *, cleanup):
    """Return the exception of a block in which `error` was raised and `cleanup` after it."""
    try:
        try:
            raise error
        finally:
            raise cleanup
    except type(cleanup) as caught:
        return caught


def test_context_of_an_error_is_mapped():
    """The error of a failed cleanup hides the original one."""
    error = raised(UNAVAILABLE[0], cleanup=KeyError("staged"))

    assert isinstance(explain(error, "totesys", LOGIN), DatabaseUnavailableError)


def test_refused_connection_takes_precedence_over_a_closed_one():
    """The connection is closed because the database refused it."""
    error = raised(REFUSED[0], cleanup=psycopg.OperationalError("the connection is closed"))

    assert isinstance(explain(error, "totesys", LOGIN), DatabaseRefusedError)

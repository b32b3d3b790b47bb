"""Faults in the words in which they come, and what each of them is taken for."""

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
AT = 'connection failed: connection to server at "10.0.0.7", port 5432 failed: '


class Thrown:
    """What py4j shows of a Java exception."""

    _target_id = "o1"

    def __init__(self, name, message, cause=None, sqlstate=None):
        """Throw an exception of the class `name`."""
        self.getClass = lambda: self
        self.getName = lambda: name
        self.getMessage = lambda: message
        self.getCause = lambda: cause
        self.getSQLState = lambda: sqlstate


def sqlstate(code, message):
    """Return psycopg's error for an SQLSTATE."""
    return psycopg.errors.lookup(code)(message)


def out_of_spark(*causes):
    """Return what py4j raises when a job was aborted for these causes, of which each led to the one before."""
    thrown = None
    for name, message, *code in reversed(causes):
        thrown = Thrown(name, message, thrown, *code)
    said = f"Job aborted due to stage failure: Task 0 in stage 4.0 failed 1 times: {causes[0][0]}: {causes[0][1]}"
    return Py4JJavaError(
        "An error occurred while calling o410.parquet.", Thrown("org.apache.spark.SparkException", said, thrown)
    )


def of_jdbc(code, message, *below):
    """Return what comes of an error of pgjdbc in an executor."""
    return out_of_spark(("org.postgresql.util.PSQLException", message, code), *below)


def of_adbc(said):
    """Return what comes of an error of ADBC in an executor."""
    trace = (
        'Traceback (most recent call last):\n  File "/glue/staging.py", line 102, in copy_partition\n'
        "    with dbapi.connect(conninfo) as connection, connection.cursor() as cursor:\n"
        f'  File "adbc_driver_manager/_lib.pyx", line 262, in adbc_driver_manager._lib.check_error\n{said}\n\n'
    )
    return out_of_spark(("org.apache.spark.api.python.PythonException", trace))


def of_aws(code, status):
    """Return boto's error for an answer of AWS."""
    return boto.ClientError({"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}, "PutObject")


UNAVAILABLE = [
    psycopg.OperationalError(f"{AT}Connection refused\n\tIs the server running on that host?"),
    psycopg.OperationalError(f"{AT}FATAL:  the database system is starting up"),
    psycopg.OperationalError(f"{AT}FATAL:  the database system is shutting down"),
    psycopg.OperationalError(f"{AT}FATAL:  the database system is in recovery mode"),
    psycopg.OperationalError(f"{AT}FATAL:  the database system is not yet accepting connections"),
    psycopg.OperationalError(f'{AT}FATAL:  too many connections for role "reader"'),
    psycopg.OperationalError(f"{AT}FATAL:  sorry, too many clients already"),
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
    of_jdbc("57P01", "FATAL: terminating connection due to administrator command"),
    of_jdbc("08001", "Connection to 10.0.0.7:5432 refused.", ("java.net.ConnectException", "Connection refused")),
    of_jdbc("08006", "An I/O error occurred while sending to the backend.", ("java.io.EOFException", None)),
    of_jdbc(
        "08001",
        "The connection attempt failed.",
        ("java.net.UnknownHostException", "x: Temporary failure in name resolution"),
    ),
    of_adbc("adbc_driver_manager.OperationalError: IO: Error writing tuple field data: server closed the connection"),
    of_adbc(
        "adbc_driver_manager.OperationalError: IO: [libpq] Failed to connect: connection to server at "
        '"10.0.0.7", port 5432 failed: Connection refused\n\tIs the server running on that host?'
    ),
    of_adbc(
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
    of_adbc(
        "adbc_driver_manager.OperationalError: IO: [libpq] Failed to execute COPY statement: "
        "FATAL:  terminating connection due to transaction timeout\nserver closed the connection unexpectedly"
    ),
    sqlstate("25P03", "terminating connection due to idle-in-transaction timeout"),
    of_jdbc("57014", "ERROR: canceling statement due to statement timeout"),
    of_jdbc("42704", 'ERROR: snapshot "00000010-00000003-1" does not exist'),
    of_jdbc("22023", 'ERROR: invalid snapshot identifier: "00000010-00000003-1"'),
    of_adbc(
        "adbc_driver_manager.OperationalError: CANCELLED: [libpq] Failed to execute COPY statement: PGRES_FATAL_ERROR "
        "ERROR:  canceling statement due to statement timeout\nCONTEXT:  COPY x, line 553000"
    ),
]
REFUSED = [
    psycopg.OperationalError(f'{AT}FATAL:  password authentication failed for user "reader"'),
    psycopg.OperationalError(f'{AT}FATAL:  database "totesys" does not exist'),
    psycopg.OperationalError(f'{AT}FATAL:  role "reader" is not permitted to log in'),
    psycopg.OperationalError(f'{AT}FATAL:  no pg_hba.conf entry for host "10.0.0.9", user "reader"'),
    psycopg.OperationalError(
        f'{AT}FATAL:  permission denied for database "totesys"\nDETAIL:  User does not have CONNECT privilege.'
    ),
    psycopg.OperationalError("failed to resolve host 'no.such.host': [Errno -2] Name or service not known"),
    psycopg.OperationalError(
        'connection to server at "::1", port 5432 failed: Connection refused\n'
        'connection to server at "127.0.0.1", port 5432 failed: FATAL:  password authentication failed for user "r"'
    ),
    sqlstate("42501", "permission denied for table staff"),
    of_jdbc("28P01", 'FATAL: password authentication failed for user "reader"'),
    of_jdbc("3D000", 'FATAL: database "totesys" does not exist'),
    of_jdbc("08001", "The connection attempt failed.", ("java.net.UnknownHostException", "no.such.host")),
    of_adbc(
        "adbc_driver_manager.OperationalError: IO: [libpq] Failed to connect: could not translate host name "
        '"no.such.host" to address: Name or service not known'
    ),
]
READ_ONLY = [
    sqlstate("25006", "cannot execute CREATE TABLE in a read-only transaction"),
    of_jdbc("25006", "ERROR: cannot execute INSERT in a read-only transaction"),
    of_adbc(
        "adbc_driver_manager.InternalError: INTERNAL: [libpq] Failed to execute COPY statement: PGRES_FATAL_ERROR "
        "ERROR:  cannot execute COPY FROM in a read-only transaction"
    ),
]
AWS_UNAVAILABLE = [
    boto.EndpointConnectionError(endpoint_url="http://127.0.0.1:1/"),
    boto.ConnectionClosedError(endpoint_url="http://127.0.0.1:1/"),
    boto.ReadTimeoutError(endpoint_url="http://127.0.0.1:1/"),
    of_aws("InternalError", 500),
    of_aws("SlowDown", 503),
    of_aws("ThrottlingException", 400),
    out_of_spark(("java.net.SocketTimeoutException", "Read timed out")),
]
FULL = [
    sqlstate("53100", 'could not extend file "base/5/16384": No space left on device'),
    of_adbc(
        "adbc_driver_manager.OperationalError: IO: [libpq] Failed to execute COPY statement: PGRES_FATAL_ERROR "
        'ERROR:  could not extend file "base/5/16384": No space left on device'
    ),
    out_of_spark(
        ("org.apache.spark.SparkException", "[TASK_WRITE_FAILED] Task failed while writing rows to s3://b/x."),
        ("org.apache.hadoop.fs.FSError", "java.io.IOException: No space left on device"),
        ("java.io.IOException", "No space left on device"),
    ),
]
NOT_KNOWN = [
    ValueError("connection refused"),
    KeyError("deadlock detected"),
    sqlstate("23505", "Key (email)=(the connection is closed) already exists"),
    sqlstate("42704", 'type "money" does not exist'),
    of_jdbc("22P02", 'ERROR: invalid input syntax for type integer: "deadlock detected"'),
    of_adbc('adbc_driver_manager.ProgrammingError: NOT_FOUND: ERROR:  relation "staging.x" does not exist'),
    of_aws("NoSuchBucket", 404),
    of_aws("AccessDenied", 403),
    out_of_spark(("java.lang.ArithmeticException", "the connection is closed")),
    CommitConflictError("bucket", 7, "batch"),
]
TABLE = {
    DatabaseUnavailableError: UNAVAILABLE,
    DatabaseInterruptedError: INTERRUPTED,
    DatabaseRefusedError: REFUSED,
    DatabaseReadOnlyError: READ_ONLY,
    AwsUnavailableError: AWS_UNAVAILABLE,
    StorageFullError: FULL,
    type(None): NOT_KNOWN,
}


@pytest.mark.parametrize(
    ("error", "kind"),
    [(error, kind) for kind, errors in TABLE.items() for error in errors],
    ids=lambda value: value.__name__ if isinstance(value, type) else "",
)
def test_a_fault_is_known_by_what_it_says(error, kind):
    """From Postgres through psycopg, pgjdbc and ADBC, from AWS through boto, and from Spark."""
    assert type(explain(error, "totesys", LOGIN)) is kind


def test_the_type_says_whether_a_fault_may_pass():
    """Nothing else has to be asked."""
    transient = {kind for kind in TABLE if issubclass(kind, TransientError)}

    assert transient == {DatabaseUnavailableError, DatabaseInterruptedError, AwsUnavailableError}
    assert {StorageFullError, DatabaseRefusedError} <= set(TotelakeError.__subclasses__())


def test_a_fault_names_the_database_and_the_role_and_not_the_password():
    """In one line, which is the message of the failed job."""
    explained = explain(REFUSED[4], "totesys", LOGIN)

    assert str(explained).startswith("totesys (reader at 10.0.0.7:5432/totesys) refused: connection failed: ")
    assert "User does not have CONNECT privilege. Nothing was lost. Correct the Glue connection" in str(explained)
    assert "\n" not in str(explained)
    assert LOGIN.password not in str(explained)


def test_a_full_disk_is_named_by_what_was_written_to_it():
    """Spark says that, and Java what went wrong."""
    said = (
        "java.io.IOException: No space left on device while writing rows to s3://b/x. Nothing of the batch is visible."
    )

    assert str(explain(FULL[-1], "totesys", LOGIN)).startswith(said)


def raised(error, *, cleanup):
    """Return the exception that comes out of a block in which `error` was raised and whose cleanup fails as well."""
    try:
        try:
            raise error
        finally:
            raise cleanup
    except type(cleanup) as caught:
        return caught


def test_what_led_to_an_error_counts_as_well():
    """A cleanup that fails hides what had failed before."""
    error = raised(UNAVAILABLE[0], cleanup=KeyError("staged"))

    assert isinstance(explain(error, "totesys", LOGIN), DatabaseUnavailableError)


def test_a_refusal_outweighs_what_comes_with_it():
    """The connection is closed, and that because the database had refused."""
    error = raised(REFUSED[0], cleanup=psycopg.OperationalError("the connection is closed"))

    assert isinstance(explain(error, "totesys", LOGIN), DatabaseRefusedError)

"""Database connections: address and credentials, from a Glue connection and its secret."""

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qsl, quote, unquote_plus, urlencode

import boto3
import psycopg

from totelake.runtime.errors import ConnectionSettingsError

CERTIFICATES = Path("databases-ca.pem")
"""The CA certificates that verify the databases' certificates when a connection's URL has `sslmode=verify-full`.

Glue puts the file into the driver's working directory, and the driver distributes it to that of every executor, so the
relative path is right for libpq and pgjdbc everywhere.
"""

LOCK_TIMEOUT_SECONDS = 30
"""How long a statement waits for a lock before it fails and the stage is retried."""

APPLICATION_NAME = "totelake"

# Settings that a role or a database may override, which would change the values or rows that are read, their text
# format, or whether the session is ended while the run waits for Spark. With another schema in the search path, a role
# that may create functions in it could make the session call its own: one whose parameters fit better is preferred to
# that of Postgres.
_SESSION = {
    "row_security": "off",  # a policy that would filter rows is an error
    "DateStyle": "ISO,YMD",
    "IntervalStyle": "postgres",
    "TimeZone": "UTC",
    "bytea_output": "hex",
    "extra_float_digits": "1",
    "quote_all_identifiers": "off",
    "search_path": "pg_catalog",
    "lock_timeout": f"{LOCK_TIMEOUT_SECONDS}s",
    "statement_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
}

_JDBC_URL = re.compile(
    r"jdbc:postgresql://(?P<host>[A-Za-z0-9._-]+):(?P<port>[0-9]+)/(?P<database>[^?]+)(?:\?(?P<options>.*))?"
)

# The options that a connection's URL may have, with libpq's names. Other options of pgjdbc load classes, write files,
# or override the session settings of the jobs.
_OPTIONS = {
    "connectTimeout": "connect_timeout",
    "sslmode": "sslmode",
    "sslrootcert": "sslrootcert",
    "tcpKeepAlive": "keepalives",
}
_LIBPQ_VALUES = {"true": "1", "false": "0"}

# Without encryption no certificate authenticates the server. SCRAM never sends the password, and only a server that
# knows it can complete the handshake.
_UNENCRYPTED = ("sslmode", "disable")
_REQUIRE_SCRAM = ("requireAuth", "scram-sha-256")
_LIBPQ_NAMES = _OPTIONS | {"requireAuth": "require_auth"}


@dataclass(frozen=True, slots=True)
class Login:
    """A Postgres database and a role in it; the representation leaves the password out.

    `options` are those of the JDBC URL, with pgjdbc's names.
    """

    host: str
    port: int
    database: str
    user: str
    password: str = field(repr=False)
    options: tuple[tuple[str, str], ...] = ()

    @property
    def place(self) -> str:
        """The role and the address of its database, for messages."""
        return f"{self.user} at {self.host}:{self.port}/{self.database}"

    @property
    def jdbc_url(self) -> str:
        """The URL for JDBC, without user and password."""
        # As a connection property Spark would lower-case the name, and pgjdbc would ignore it.
        query = urlencode([*self._driver_options, ("ApplicationName", APPLICATION_NAME)])
        return f"jdbc:postgresql://{self.host}:{self.port}/{quote(self.database, safe='')}?{query}"

    @property
    def conninfo(self) -> str:
        """The connection string for libpq (psycopg and ADBC), with user and password."""
        return psycopg.conninfo.make_conninfo(
            host=self.host,
            port=self.port,
            dbname=self.database,
            user=self.user,
            password=self.password,
            application_name=APPLICATION_NAME,
            client_encoding="UTF8",
            options=session_options(),
            **{_LIBPQ_NAMES[name]: _LIBPQ_VALUES.get(value, value) for name, value in self._driver_options},
        )

    @property
    def _driver_options(self) -> tuple[tuple[str, str], ...]:
        return (*self.options, _REQUIRE_SCRAM) if _UNENCRYPTED in self.options else self.options


def session_options(**more: str) -> str:
    """Return the settings of every session, and those in `more`, as the option `options` of libpq and pgjdbc."""
    settings = _SESSION | more
    return " ".join(f"-c {name}={_escaped(value)}" for name, value in settings.items())


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace(" ", "\\ ")


def login(connection: str) -> Login:
    """Return the login from the Glue `connection` and its secret.

    The connection has the properties JDBC_CONNECTION_URL and SECRET_ID; the secret is `{"username": …, "password": …}`.
    Raises `ConnectionSettingsError` when either is incomplete, or the URL has an option that is not allowed.
    """
    properties = boto3.client("glue").get_connection(Name=connection)["Connection"]["ConnectionProperties"]
    if missing := {"JDBC_CONNECTION_URL", "SECRET_ID"} - properties.keys():
        raise ConnectionSettingsError(connection, f"it has no property {', '.join(sorted(missing))}")
    url = _JDBC_URL.fullmatch(properties["JDBC_CONNECTION_URL"])
    if not url:
        raise ConnectionSettingsError(connection, "its JDBC_CONNECTION_URL is not jdbc:postgresql://host:port/database")
    secrets = boto3.client("secretsmanager")
    try:
        credentials = json.loads(secrets.get_secret_value(SecretId=properties["SECRET_ID"])["SecretString"])
    except secrets.exceptions.ResourceNotFoundException as error:
        raise ConnectionSettingsError(
            connection, "its secret has no value: the define job writes that of a warehouse that Terraform has created"
        ) from error
    if missing := {"username", "password"} - credentials.keys():
        raise ConnectionSettingsError(connection, f"its secret has no {', '.join(sorted(missing))}")
    return Login(
        host=url["host"],
        port=int(url["port"]),
        database=unquote_plus(url["database"]),
        user=credentials["username"],
        password=credentials["password"],
        options=_options(connection, url["options"] or ""),
    )


def _options(connection: str, query: str) -> tuple[tuple[str, str], ...]:
    """Return the options in the query of a JDBC URL.

    Raises `ConnectionSettingsError` for one that is not allowed or given twice.
    """
    options = tuple(parse_qsl(query, keep_blank_values=True))
    names = [name for name, _ in options]
    for name in names:
        if name not in _OPTIONS:
            raise ConnectionSettingsError(
                connection,
                f"its JDBC_CONNECTION_URL has the option {name!r}, which is not allowed; "
                f"remove it: the allowed options are {', '.join(_OPTIONS)}",
            )
        if names.count(name) > 1:
            raise ConnectionSettingsError(connection, f"its JDBC_CONNECTION_URL has the option {name} more than once")
    return options

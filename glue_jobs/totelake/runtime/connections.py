"""Where a database is and how to log in to it: a Glue connection, and the secret that it names."""

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qsl, quote, unquote_plus, urlencode

import boto3
import psycopg

from totelake.runtime.errors import ConnectionSettingsError

CERTIFICATES = Path("databases-ca.pem")
"""The certificates that those of the databases are held to, where a connection's address says `verify-full`.

Glue puts the file into the driver's folder, and the driver sends it into the folder of every executor, so the one name
is right for libpq and pgjdbc wherever they connect from.
"""

LOCK_TIMEOUT_SECONDS = 30
"""How long a statement waits for a lock before it fails and the stage is tried again."""

APPLICATION_NAME = "totelake"

# What a role or a database may set otherwise and what would then change the values or the rows that are read, the text
# in which they arrive, or whether the run is cut off while it waits for Spark.
_SESSION = {
    "row_security": "off",  # a policy that would filter rows is an error
    "DateStyle": "ISO,YMD",
    "IntervalStyle": "postgres",
    "TimeZone": "UTC",
    "bytea_output": "hex",
    "extra_float_digits": "1",
    "quote_all_identifiers": "off",
    "search_path": "public",
    "lock_timeout": f"{LOCK_TIMEOUT_SECONDS}s",
    "statement_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
}

_JDBC_URL = re.compile(
    r"jdbc:postgresql://(?P<host>[A-Za-z0-9._-]+):(?P<port>[0-9]+)/(?P<database>[^?]+)(?:\?(?P<options>.*))?"
)

# The options that the address of a connection may have, and what libpq calls them. Others of pgjdbc's load classes,
# write files, or change what the jobs set for each session themselves.
_OPTIONS = {
    "connectTimeout": "connect_timeout",
    "sslmode": "sslmode",
    "sslrootcert": "sslrootcert",
    "tcpKeepAlive": "keepalives",
}
_LIBPQ_VALUES = {"true": "1", "false": "0"}

# Where no certificate says who the server is, and nothing is encrypted: SCRAM tells the password to no server, and only
# one that knows it can end it.
_UNENCRYPTED = ("sslmode", "disable")
_REQUIRE_SCRAM = ("requireAuth", "scram-sha-256")
_LIBPQ_NAMES = _OPTIONS | {"requireAuth": "require_auth"}


@dataclass(frozen=True, slots=True)
class Login:
    """A Postgres database and a role in it; the password never shows in a representation.

    `options` are those of the JDBC address, by the names that pgjdbc has for them.
    """

    host: str
    port: int
    database: str
    user: str
    password: str = field(repr=False)
    options: tuple[tuple[str, str], ...] = ()

    @property
    def place(self) -> str:
        """The role and where its database is, for messages."""
        return f"{self.user} at {self.host}:{self.port}/{self.database}"

    @property
    def jdbc_url(self) -> str:
        """The address for JDBC, without user and password."""
        # Spark spells the names of connection properties in lower case, where pgjdbc would not know this one.
        query = urlencode([*self._driver_options, ("ApplicationName", APPLICATION_NAME)])
        return f"jdbc:postgresql://{self.host}:{self.port}/{quote(self.database, safe='')}?{query}"

    @property
    def conninfo(self) -> str:
        """The address for libpq (psycopg and ADBC), with user and password."""
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
    """Return the settings with which every session begins, and those in `more`, as libpq and pgjdbc take them."""
    settings = _SESSION | more
    return " ".join(f"-c {name}={_escaped(value)}" for name, value in settings.items())


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace(" ", "\\ ")


def login(connection: str) -> Login:
    """Return the login that the Glue `connection` and its secret describe.

    The connection has the properties JDBC_CONNECTION_URL and SECRET_ID; the secret is `{"username": …, "password": …}`.
    Raises `ConnectionSettingsError` when either lacks something, or the address has an option that is not allowed.
    """
    properties = boto3.client("glue").get_connection(Name=connection)["Connection"]["ConnectionProperties"]
    if missing := {"JDBC_CONNECTION_URL", "SECRET_ID"} - properties.keys():
        raise ConnectionSettingsError(connection, f"it has no property {', '.join(sorted(missing))}")
    url = _JDBC_URL.fullmatch(properties["JDBC_CONNECTION_URL"])
    if not url:
        raise ConnectionSettingsError(connection, "its JDBC_CONNECTION_URL is not jdbc:postgresql://host:port/database")
    secret = boto3.client("secretsmanager").get_secret_value(SecretId=properties["SECRET_ID"])["SecretString"]
    credentials = json.loads(secret)
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
    """Return the options in the query of a JDBC address.

    Raises `ConnectionSettingsError` for one that is not allowed or given twice.
    """
    options = tuple(parse_qsl(query, keep_blank_values=True))
    names = [name for name, _ in options]
    for name in names:
        if name not in _OPTIONS:
            raise ConnectionSettingsError(
                connection,
                f"its JDBC_CONNECTION_URL has the option {name!r}, which the jobs do not hand to the driver; "
                f"remove it: the address may have {', '.join(_OPTIONS)}",
            )
        if names.count(name) > 1:
            raise ConnectionSettingsError(connection, f"its JDBC_CONNECTION_URL has the option {name} more than once")
    return options

"""JDBC URLs of Glue connections: only allowed options reach the drivers."""

import boto3
import pytest
from moto import mock_aws
from psycopg import conninfo

from totelake.runtime import connections
from totelake.runtime.errors import ConnectionSettingsError

ADDRESS = "jdbc:postgresql://db.example.com:5432/totesys"


@pytest.fixture
def login(monkeypatch):
    """Return a function that returns the login of a connection with a given JDBC URL."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-2")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with mock_aws():
        boto3.client("secretsmanager").create_secret(
            Name="secret", SecretString='{"username": "reader", "password": "p&w=d"}'
        )

        def of(address):
            properties = {"JDBC_CONNECTION_URL": address, "SECRET_ID": "secret"}
            definition = {"Name": "totesys", "ConnectionType": "JDBC", "ConnectionProperties": properties}
            boto3.client("glue").create_connection(ConnectionInput=definition)
            return connections.login("totesys")

        yield of


@pytest.mark.parametrize(
    ("query", "option"),
    [
        ("socketFactory=org.example.Factory&socketFactoryArg=http://evil/x.xml", "socketFactory"),
        ("sslmode=require&sslfactory=org.example.Factory", "sslfactory"),
        ("sslmode=require&%73ocketFactory=org.example.Factory", "socketFactory"),
        ("loggerLevel=TRACE&loggerFile=/tmp/x", "loggerLevel"),
        ("authenticationPluginClassName=org.example.Plugin", "authenticationPluginClassName"),
        ("jaasApplicationName=x", "jaasApplicationName"),
        ("socketFactory", "socketFactory"),
        ("options=-c%20statement_timeout=1", "options"),
        ("currentSchema=other", "currentSchema"),
        ("host=evil.example.com", "host"),
        ("SSLMode=disable", "SSLMode"),
    ],
)
def test_disallowed_option_is_rejected(login, query, option):
    """The error names the connection, the option and the allowed options."""
    with pytest.raises(ConnectionSettingsError, match=rf"^Glue connection totesys: .* the option '{option}'") as error:
        login(f"{ADDRESS}?{query}")

    assert "remove it: the allowed options are connectTimeout, sslmode, sslrootcert, tcpKeepAlive" in str(error.value)


def test_repeated_option_is_rejected(login):
    """Drivers differ in which of the two they use."""
    with pytest.raises(ConnectionSettingsError, match="the option sslmode more than once"):
        login(f"{ADDRESS}?sslmode=verify-full&sslmode=disable")


@pytest.mark.parametrize("value", ["require%26socketFactory=org.example.Factory", "require%20host=evil.example.com"])
def test_encoded_option_in_a_value_stays_part_of_the_value(login, value):
    """It does not become an option, neither of pgjdbc nor of libpq."""
    parsed = login(f"{ADDRESS}?sslmode={value}")

    _, _, query = parsed.jdbc_url.partition("?")
    assert [part.partition("=")[0] for part in query.split("&")] == ["sslmode", "ApplicationName"]
    parts = conninfo.conninfo_to_dict(parsed.conninfo)
    assert (parts["host"], parts["password"]) == ("db.example.com", "p&w=d")
    assert parts["sslmode"].startswith("require")


@pytest.mark.parametrize("address", ["jdbc:postgresql://a,evil:5432/x", "jdbc:postgresql://a@evil:5432/x"])
def test_address_must_have_exactly_one_host(login, address):
    """Host lists and user names are rejected."""
    with pytest.raises(ConnectionSettingsError, match="is not jdbc:postgresql://host:port/database"):
        login(address)


def test_option_in_a_database_name_stays_part_of_the_name(login):
    """For both drivers."""
    parsed = login(f"{ADDRESS}%3FsocketFactory=x%26y host=evil?sslmode=require")

    assert parsed.database == "totesys?socketFactory=x&y host=evil"
    assert parsed.jdbc_url.count("?") == parsed.jdbc_url.count("&") == 1
    parts = conninfo.conninfo_to_dict(parsed.conninfo)
    assert (parts["host"], parts["dbname"]) == ("db.example.com", parsed.database)


def test_allowed_options_are_passed_to_both_drivers(login):
    """With the names and values of each driver."""
    parsed = login(f"{ADDRESS}?sslmode=verify-full&sslrootcert=ca.pem&connectTimeout=7&tcpKeepAlive=true")

    assert parsed.jdbc_url.endswith(
        "?sslmode=verify-full&sslrootcert=ca.pem&connectTimeout=7&tcpKeepAlive=true&ApplicationName=totelake"
    )
    parts = conninfo.conninfo_to_dict(parsed.conninfo)
    expected = {"sslmode": "verify-full", "sslrootcert": "ca.pem", "connect_timeout": "7", "keepalives": "1"}
    assert expected.items() <= parts.items()

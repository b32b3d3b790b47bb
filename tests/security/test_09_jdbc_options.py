"""The address of a Glue connection hands no option to a driver that is not on the list of those that it may have."""

import boto3
import pytest
from moto import mock_aws
from psycopg import conninfo

from totelake.runtime import connections
from totelake.runtime.errors import ConnectionSettingsError

ADDRESS = "jdbc:postgresql://db.example.com:5432/totesys"


@pytest.fixture
def login(monkeypatch):
    """Return a function that returns the login of a connection with an address."""
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
def test_an_option_that_is_not_allowed_is_refused(login, query, option):
    """The error names the connection, the option and those that may be there."""
    with pytest.raises(
        ConnectionSettingsError, match=rf"^Glue connection totesys: .* the option '{option}'"
    ) as refused:
        login(f"{ADDRESS}?{query}")

    assert "remove it: the address may have connectTimeout, sslmode, sslrootcert, tcpKeepAlive" in str(refused.value)


def test_an_option_that_is_given_twice_is_refused(login):
    """Which of the two a driver takes is the driver's affair."""
    with pytest.raises(ConnectionSettingsError, match="the option sslmode more than once"):
        login(f"{ADDRESS}?sslmode=verify-full&sslmode=disable")


@pytest.mark.parametrize("value", ["require%26socketFactory=org.example.Factory", "require%20host=evil.example.com"])
def test_a_value_stays_one_value(login, value):
    """What is encoded in it becomes no option, neither for pgjdbc nor for libpq."""
    found = login(f"{ADDRESS}?sslmode={value}")

    _, _, query = found.jdbc_url.partition("?")
    assert [part.partition("=")[0] for part in query.split("&")] == ["sslmode", "ApplicationName"]
    parts = conninfo.conninfo_to_dict(found.conninfo)
    assert (parts["host"], parts["password"]) == ("db.example.com", "p&w=d")
    assert parts["sslmode"].startswith("require")


@pytest.mark.parametrize("address", ["jdbc:postgresql://a,evil:5432/x", "jdbc:postgresql://a@evil:5432/x"])
def test_an_address_has_one_host(login, address):
    """Anything else in the place of the host is refused."""
    with pytest.raises(ConnectionSettingsError, match="is not jdbc:postgresql://host:port/database"):
        login(address)


def test_a_database_of_any_name_stays_a_database(login):
    """Its name has no option in it, for either driver."""
    found = login(f"{ADDRESS}%3FsocketFactory=x%26y host=evil?sslmode=require")

    assert found.database == "totesys?socketFactory=x&y host=evil"
    assert found.jdbc_url.count("?") == found.jdbc_url.count("&") == 1
    parts = conninfo.conninfo_to_dict(found.conninfo)
    assert (parts["host"], parts["dbname"]) == ("db.example.com", found.database)


def test_the_options_that_are_allowed_reach_both_drivers(login):
    """Each by the name and the value that the driver knows."""
    found = login(f"{ADDRESS}?sslmode=verify-full&sslrootcert=ca.pem&connectTimeout=7&tcpKeepAlive=true")

    assert found.jdbc_url.endswith(
        "?sslmode=verify-full&sslrootcert=ca.pem&connectTimeout=7&tcpKeepAlive=true&ApplicationName=totelake"
    )
    parts = conninfo.conninfo_to_dict(found.conninfo)
    wanted = {"sslmode": "verify-full", "sslrootcert": "ca.pem", "connect_timeout": "7", "keepalives": "1"}
    assert wanted.items() <= parts.items()

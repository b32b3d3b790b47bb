"""Glue connections, tested with boto3."""

import pytest

DEFINITION = {
    "Name": "totesys",
    "ConnectionType": "JDBC",
    "ConnectionProperties": {"JDBC_CONNECTION_URL": "jdbc:postgresql://a:1/b", "SECRET_ID": "s"},
}


@pytest.fixture
def glue(local_aws):
    """Return a Glue client; the connection `totesys` exists."""
    client = local_aws.client("glue")
    client.create_connection(ConnectionInput=DEFINITION)
    yield client
    client.delete_connection(ConnectionName="totesys")


def test_connection_has_its_type(glue):
    """Otherwise Terraform would plan a change each time."""
    assert glue.get_connection(Name="totesys")["Connection"]["ConnectionType"] == "JDBC"


def test_updating_a_connection_replaces_its_properties(glue):
    """The whole definition is replaced."""
    properties = {"JDBC_CONNECTION_URL": "jdbc:postgresql://c:2/d", "SECRET_ID": "s"}

    glue.update_connection(Name="totesys", ConnectionInput={**DEFINITION, "ConnectionProperties": properties})

    assert glue.get_connection(Name="totesys")["Connection"]["ConnectionProperties"] == properties


def test_updating_or_deleting_an_unknown_connection_fails(glue):
    """The error is EntityNotFoundException, as on AWS."""
    with pytest.raises(glue.exceptions.EntityNotFoundException):
        glue.update_connection(Name="none", ConnectionInput={**DEFINITION, "Name": "none"})
    with pytest.raises(glue.exceptions.EntityNotFoundException):
        glue.delete_connection(ConnectionName="none")

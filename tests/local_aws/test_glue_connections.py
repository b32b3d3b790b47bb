"""Glue connections, by plain boto3."""

import pytest

DEFINITION = {
    "Name": "totesys",
    "ConnectionType": "JDBC",
    "ConnectionProperties": {"JDBC_CONNECTION_URL": "jdbc:postgresql://a:1/b", "SECRET_ID": "s"},
}


@pytest.fixture
def glue(local_aws):
    """Return a client of a Glue with one connection."""
    client = local_aws.client("glue")
    client.create_connection(ConnectionInput=DEFINITION)
    yield client
    client.delete_connection(ConnectionName="totesys")


def test_a_connection_says_of_which_type_it_is(glue):
    """Terraform would otherwise set it again and again."""
    assert glue.get_connection(Name="totesys")["Connection"]["ConnectionType"] == "JDBC"


def test_an_updated_connection_has_the_new_properties(glue):
    """The whole definition is replaced."""
    properties = {"JDBC_CONNECTION_URL": "jdbc:postgresql://c:2/d", "SECRET_ID": "s"}

    glue.update_connection(Name="totesys", ConnectionInput={**DEFINITION, "ConnectionProperties": properties})

    assert glue.get_connection(Name="totesys")["Connection"]["ConnectionProperties"] == properties


def test_an_unknown_connection_can_be_neither_changed_nor_removed(glue):
    """And the error is Glue's own."""
    with pytest.raises(glue.exceptions.EntityNotFoundException):
        glue.update_connection(Name="none", ConnectionInput={**DEFINITION, "Name": "none"})
    with pytest.raises(glue.exceptions.EntityNotFoundException):
        glue.delete_connection(ConnectionName="none")

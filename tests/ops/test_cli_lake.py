"""The CLI's lake queries: output formats, the list and description of tables, and errors."""

import json
from io import StringIO
from urllib.parse import urlsplit

import pytest
import typer
from botocore.credentials import Credentials

from local_aws.server import LocalAws
from local_aws.state import State
from ops.cli import lake_query
from ops.cli.screen import Screen
from ops.sandbox import deployment
from ops.sandbox.errors import LakeTableNotFoundError, QueryFailedError
from ops.sandbox.settings import SandboxSettings
from tests.local_aws.shop import Shop

QUERY = "SELECT id, name, price FROM sale WHERE id < 3 ORDER BY id"


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    """Return a shop whose database serves as the processed zone."""
    with LocalAws(State(tmp_path_factory.mktemp("shop")), Credentials("local", "local")) as aws:
        shop = Shop(aws)
        for name in ("raw", "found"):
            shop.glue.create_database(DatabaseInput={"Name": name})
        yield shop
        shop.close()


@pytest.fixture
def world(shop, monkeypatch):
    """Return the state and the settings of a local environment whose lake is the shop."""
    outputs = {"athena_workgroup": "shop", "databases": {"processed": "shop", "ingested": "raw", "discovered": "found"}}
    monkeypatch.setattr(deployment, "outputs", lambda _state: outputs)
    port = int(urlsplit(shop.local_aws.url).port or 0)
    return shop.local_aws.state, SandboxSettings(port, 0, {}, access_key="local", secret_key="local")


@pytest.fixture
def screen(monkeypatch):
    """Return a function that returns the printed lines, without the borders of tables."""
    console = Screen(width=200, record=True, file=StringIO())
    monkeypatch.setattr(lake_query, "console", console)
    return lambda: [" ".join(line.replace("│", " ").split()) for line in console.export_text().splitlines()]


def test_query_prints_a_table_with_rows_bytes_and_seconds(world, screen):
    """The statistics are in the last line."""
    lake_query.query(*world, "SELECT id, price FROM sale WHERE id = 1", "table")

    lines = screen()
    assert "1 12.50" in lines
    assert lines[-1].startswith("1 rows, ")
    assert " bytes read, " in lines[-1]


def test_query_prints_csv(world, capsys):
    """The first line has the column names; nothing else is printed."""
    lake_query.query(*world, "SELECT id, clock, name FROM sale WHERE id < 3 ORDER BY id", "csv")

    assert capsys.readouterr().out == 'id,clock,name\n1,12:30:00.123,"a ""quoted"", name\nof two lines"\n2,,\n'


def test_query_prints_json(world, capsys):
    """Values are strings, as Athena returns them, and NULL is null."""
    lake_query.query(*world, QUERY, "json")

    first, second = json.loads(capsys.readouterr().out)
    assert first == {"id": "1", "name": 'a "quoted", name\nof two lines', "price": "12.50"}
    assert second == {"id": "2", "name": "", "price": None}


def test_tables_lists_tables_and_views(world, shop, screen):
    """Each with its kind."""
    shop.result("CREATE OR REPLACE VIEW dear AS SELECT id FROM sale WHERE price > 10")

    lake_query.tables(*world)

    lines = screen()
    assert "shop dear view" in lines
    assert "shop sale table" in lines


def test_describe_prints_columns_partition_keys_and_row_count(world, screen):
    """Columns have their types and comments; the name is case-insensitive."""
    lake_query.describe(*world, "SALE")

    lines = screen()
    assert "price decimal(10,2) The price." in lines
    assert "month string, partition key" in lines
    assert lines[-1] == "1,202 rows in 3 partitions."


def test_describe_prints_the_row_count_of_a_view(world, shop, screen):
    """A view has no partitions."""
    shop.result("CREATE OR REPLACE VIEW dear AS SELECT id FROM sale WHERE price > 10")

    lake_query.describe(*world, "shop.dear")

    assert screen()[-1] == "A view with 1,201 rows."


def test_unknown_table_fails_with_similar_names(world):
    """Without a similar name, the message names the command that lists the tables."""
    with pytest.raises(LakeTableNotFoundError, match="no table sael; did you mean sale"):
        lake_query.describe(*world, "sael")
    with pytest.raises(LakeTableNotFoundError, match="no table zzzzzz; list all with: totelake tables"):
        lake_query.describe(*world, "zzzzzz")


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("SELECT x FROM sale", "COLUMN_NOT_FOUND: line 1:8: Column 'x' cannot be resolved"),
        ("SELECT *\nFROM (", "line 2"),
    ],
)
def test_query_error_has_its_position(world, query, message):
    """The message is Athena's."""
    with pytest.raises(QueryFailedError, match=message):
        lake_query.query(*world, query, "table")


def test_query_is_read_from_a_file_or_the_command_line(tmp_path):
    """Exactly one of the two is required, and it must not be empty."""
    file, empty = tmp_path / "q.sql", tmp_path / "empty.sql"
    file.write_text(QUERY)
    empty.write_text("\n")

    assert lake_query.sql_text(None, file) == lake_query.sql_text(QUERY, None) == QUERY
    for sql, path, message in (
        (QUERY, file, "not both"),
        (None, None, "give the SQL"),
        (None, empty, "the query is empty"),
    ):
        with pytest.raises(typer.BadParameter, match=message):
            lake_query.sql_text(sql, path)

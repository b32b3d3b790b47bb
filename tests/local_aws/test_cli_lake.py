"""The command line asks the lake: answers in three forms, what there is to ask, and what is said against a question."""

import json
from io import StringIO
from urllib.parse import urlsplit

import pytest
import typer

from ops.cli import asking
from ops.cli.screen import Screen
from ops.sandbox import deployment
from ops.sandbox.errors import QueryFailedError, UnknownTableError
from ops.sandbox.settings import Settings
from tests.local_aws.shop import Shop

QUERY = "SELECT id, name, price FROM sale WHERE id < 3 ORDER BY id"


@pytest.fixture(scope="module")
def shop(local_aws):
    """Return a shop whose database stands for the processed zone, and close it after the last test."""
    shop = Shop(local_aws)
    for name in ("raw", "found"):
        shop.glue.create_database(DatabaseInput={"Name": name})
    yield shop
    for name in ("raw", "found"):
        shop.glue.delete_database(Name=name)
    shop.close()


@pytest.fixture
def world(shop, monkeypatch):
    """Return the state and the settings of a world whose lake the shop is."""
    made = {"athena_workgroup": "shop", "databases": {"processed": "shop", "ingested": "raw", "discovered": "found"}}
    monkeypatch.setattr(deployment, "outputs", lambda _state: made)
    port = int(urlsplit(shop.local_aws.url).port or 0)
    return shop.local_aws.state, Settings(port, 0, {}, access_key="local", secret_key="local")


@pytest.fixture
def screen(monkeypatch):
    """Return a function that returns what was shown, line by line, without the frames of tables."""
    console = Screen(width=200, record=True, file=StringIO())
    monkeypatch.setattr(asking, "console", console)
    return lambda: [" ".join(line.replace("│", " ").split()) for line in console.export_text().splitlines()]


def test_an_answer_is_a_table_with_what_it_took(world, screen):
    """Rows, bytes and seconds below it."""
    asking.query(*world, "SELECT id, price FROM sale WHERE id = 1", "table")

    lines = screen()
    assert "1 12.50" in lines
    assert lines[-1].startswith("1 rows, ")
    assert " bytes read, " in lines[-1]


def test_an_answer_is_csv(world, capsys):
    """With the names first; a pipe gets nothing else."""
    asking.query(*world, "SELECT id, clock, name FROM sale WHERE id < 3 ORDER BY id", "csv")

    assert capsys.readouterr().out == 'id,clock,name\n1,12:30:00.123,"a ""quoted"", name\nof two lines"\n2,,\n'


def test_an_answer_is_json(world, capsys):
    """Values are text, as Athena writes them, and NULL is null."""
    asking.query(*world, QUERY, "json")

    first, second = json.loads(capsys.readouterr().out)
    assert first == {"id": "1", "name": 'a "quoted", name\nof two lines', "price": "12.50"}
    assert second == {"id": "2", "name": "", "price": None}


def test_tables_and_views_are_listed(world, shop, screen):
    """Each with what it is."""
    shop.result("CREATE OR REPLACE VIEW dear AS SELECT id FROM sale WHERE price > 10")

    asking.tables(*world)

    lines = screen()
    assert "shop dear view" in lines
    assert "shop sale table" in lines


def test_a_table_is_described(world, screen):
    """Columns with types and comments, which of them are partition keys, and how much there is."""
    asking.describe(*world, "SALE")

    lines = screen()
    assert "price decimal(10,2) The price." in lines
    assert "month string, partition key" in lines
    assert lines[-1] == "1,202 rows in 3 partitions."


def test_a_view_is_described(world, shop, screen):
    """It has no partitions of its own."""
    shop.result("CREATE OR REPLACE VIEW dear AS SELECT id FROM sale WHERE price > 10")

    asking.describe(*world, "shop.dear")

    assert screen()[-1] == "A view; it has 1,201 rows."


def test_an_unknown_table_has_its_neighbours_named(world):
    """Whoever mistypes a name is told it."""
    with pytest.raises(UnknownTableError, match="no table sael; did you mean sale"):
        asking.describe(*world, "sael")
    with pytest.raises(UnknownTableError, match="no table zzzzzz; see what there is with: totelake tables"):
        asking.describe(*world, "zzzzzz")


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("SELECT x FROM sale", "COLUMN_NOT_FOUND: line 1:8: Column 'x' cannot be resolved"),
        ("SELECT *\nFROM (", "line 2"),
    ],
)
def test_an_error_says_where_in_the_query_it_is(world, query, said):
    """In Athena's words."""
    with pytest.raises(QueryFailedError, match=said):
        asking.query(*world, query, "table")


def test_the_query_is_in_a_file_or_on_the_command_line(tmp_path):
    """In one of the two, and it is not empty."""
    file, empty = tmp_path / "q.sql", tmp_path / "empty.sql"
    file.write_text(QUERY)
    empty.write_text("\n")

    assert asking.query_of(None, file) == asking.query_of(QUERY, None) == QUERY
    for sql, path, said in ((QUERY, file, "not both"), (None, None, "give the SQL"), (None, empty, "no SQL in it")):
        with pytest.raises(typer.BadParameter, match=said):
            asking.query_of(sql, path)

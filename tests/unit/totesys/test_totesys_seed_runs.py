"""Runs of the seed: sizes, times, repetition and failure."""

from datetime import datetime

import psycopg
import pytest

from tests.unit.totesys.test_totesys_seed import NOW, STATIC
from totesys import roles, schema, seed
from totesys.business import Business
from totesys.errors import NotEmptyError


@pytest.fixture
def make_totesys(make_database):
    """Return a function that creates an empty totesys."""

    def make():
        url = make_database(owner=roles.OWNER)
        with psycopg.connect(url) as connection:
            schema.create(connection)
        return url

    return make


def contents(url):
    """Return every row of every table in physical order."""
    with psycopg.connect(url) as connection:
        return {table: connection.execute(f"SELECT * FROM {table}").fetchall() for table in schema.TABLES}


def structure(url):
    """Return every constraint and index."""
    with psycopg.connect(url) as connection:
        return connection.execute(
            """SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint
               WHERE connamespace = 'public'::regnamespace
               UNION ALL SELECT tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'
               ORDER BY 1, 2, 3"""
        ).fetchall()


def test_same_seed_gives_the_same_rows_in_the_same_order(make_totesys):
    """Another seed gives other rows."""
    first, second, other = make_totesys(), make_totesys(), make_totesys()
    for url, number in ((first, 1), (second, 1), (other, 2)):
        seed.seed(url, sales_orders=300, random_seed=number, now=NOW)
    assert contents(first) == contents(second)
    assert contents(first)["payment"] != contents(other)["payment"]


@pytest.mark.parametrize(
    ("sales", "purchases"),
    [(0, 0), (1, 0), (2_000, 831), (30_000, 12_467)],
)
def test_other_sizes_keep_the_proportions(make_totesys, sales, purchases):
    """Purchases, transactions and payments scale with the sales; static tables do not."""
    progress = {}
    counts = seed.seed(make_totesys(), sales_orders=sales, now=NOW, progress=progress.__setitem__)
    orders = sales + purchases
    dynamic = {"sales_order": sales, "purchase_order": purchases, "transaction": orders, "payment": orders}
    assert counts == progress == STATIC | dynamic


@pytest.mark.parametrize(
    "now",
    [datetime(2024, 11, 23, 12), datetime(2024, 11, 25, 3), datetime(2024, 11, 25, 8), datetime(2022, 11, 3, 14, 30)],
)
def test_no_timestamp_is_in_the_future(make_totesys, now):
    """On a weekend, at night, at eight o'clock, minutes after the opening."""
    url = make_totesys()
    seed.seed(url, sales_orders=500, now=now)
    latest = [max(row[name] for row in rows(url)) for name in ("created_at", "last_updated")]
    assert max(latest) <= now


def rows(url):
    """Return both timestamps of every row of all tables."""
    with psycopg.connect(url, row_factory=psycopg.rows.dict_row) as connection:
        query = " UNION ALL ".join(f"SELECT created_at, last_updated FROM {table}" for table in schema.TABLES)
        return connection.execute(query).fetchall()


def test_seed_ends_now_by_default(totesys_database):
    """Open payments are due later or were due on a weekend."""
    with psycopg.connect(totesys_database) as connection:
        latest = connection.execute(
            "SELECT max(created_at) BETWEEN now() - interval '30 days' AND now() FROM sales_order"
        )
        assert latest.fetchone() == (True,)


def test_keys_and_indexes_are_those_of_the_schema(make_totesys):
    """The seed drops and recreates them."""
    seeded, bare = make_totesys(), make_totesys()
    seed.seed(seeded, sales_orders=50, now=NOW)
    assert structure(seeded) == structure(bare)
    assert sum(definition.startswith("FOREIGN KEY") for *_, definition in structure(bare)) == 17


def test_sequences_continue_after_the_seeded_ids(totesys_database):
    """Their next value follows the highest id."""
    with psycopg.connect(totesys_database) as connection:
        assert Business(connection).place_sales_order() == 201
        assert Business(connection).add_design() == 474


def test_seeded_totesys_is_not_seeded_again(totesys_database):
    """The error names the tables and the next command; nothing is changed."""
    before = contents(totesys_database)
    with pytest.raises(NotEmptyError, match="totelake activity") as caught:
        seed.seed(totesys_database)
    assert caught.value.filled == list(schema.TABLES)
    assert contents(totesys_database) == before


def test_failed_seed_leaves_nothing(make_totesys):
    """No rows, and all keys."""
    url = make_totesys()
    with psycopg.connect(url) as connection:
        connection.execute("ALTER TABLE payment ADD CONSTRAINT broke CHECK (payment_amount < 0)")
    before = structure(url)
    with pytest.raises(psycopg.errors.CheckViolation):
        seed.seed(url, sales_orders=10)
    assert not any(contents(url).values())
    assert structure(url) == before


def test_invalid_sizes_and_times_are_rejected(empty_totesys):
    """Before anything is written."""
    with pytest.raises(ValueError, match="-1"):
        seed.seed(empty_totesys, sales_orders=-1)
    with pytest.raises(ValueError, match="2022-11-03"):
        seed.seed(empty_totesys, now=datetime(2022, 11, 1))


@pytest.mark.parametrize(
    ("moment", "hours"),
    [
        (datetime(2022, 10, 31, 8), 0),
        (datetime(2022, 10, 31, 9), 1),
        (datetime(2022, 11, 1, 3), 11),
        (datetime(2022, 11, 5, 12), 55),
        (datetime(2022, 11, 7, 8, 30), 55.5),
    ],
)
def test_business_hours_are_counted(moment, hours):
    """Eleven per weekday, none at night and on weekends."""
    assert seed.business_ms(moment) == hours * 3_600_000


def test_business_hours_are_converted_back():
    """To the moment at which they have passed."""
    moment = datetime(2024, 11, 19, 16, 20, 1, 7000)
    assert seed.business_moment(seed.business_ms(moment)) == moment

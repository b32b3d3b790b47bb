"""Wraparound of transaction ids: Postgres shows 32 bits of the one that wrote a row."""

from collections.abc import Iterator

import psycopg
import pytest
from psycopg import sql

from ops.sandbox.postgres import Cluster, account
from ops.sandbox.postgres.wheel import executable_programs
from tests.postgres_servers import PASSWORD, as_role, login_of, postgres, superuser
from totesys import roles, schema, seed

_ROUND = 2**32
# Every row must be frozen before the wraparound, as vacuum does by then.
_DATABASES = ("postgres", "template1", "totesys")


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    """Return a separate server, whose ids no other test uses."""
    with postgres(autovacuum="off") as server:
        yield server


@pytest.fixture
def totesys(cluster: Cluster) -> str:
    """Return the URL of a totesys on it."""
    with psycopg.connect(superuser(cluster, "postgres"), autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE totesys OWNER {}").format(sql.Identifier(roles.OWNER)))
    url = cluster.url("totesys", roles.OWNER, PASSWORD)
    with psycopg.connect(url) as connection:
        schema.create(connection, reader=roles.READER)
    seed.seed(url, sales_orders=20)
    return url


def wrap_around(cluster: Cluster, next_id: int) -> None:
    """Advance by 2^32 transactions, so that the next one has `next_id` in its lower 32 bits."""
    for database in _DATABASES:
        with psycopg.connect(superuser(cluster, database), autocommit=True) as connection:
            connection.execute("VACUUM (FREEZE)")
    cluster.stop()
    resetwal = executable_programs() / "pg_resetwal"
    ended = account.run([resetwal, "-e", "1", "-x", str(next_id), "-D", cluster.folder.resolve()])
    assert ended.returncode == 0, ended.stdout
    cluster.start()


def consume_ids(url: str, until: int) -> None:
    """Consume transaction ids until the next one is `until`."""
    with psycopg.connect(url, autocommit=True) as connection:
        while connection.execute("SELECT pg_current_xact_id()::text::bigint").fetchone()[0] < until - 1:
            pass


def test_rows_are_not_ingested_again_after_wraparound(lake, cluster, totesys):
    """Rows frozen long ago look newly written and are skipped; rows written now are ingested."""
    reader = login_of(as_role(totesys, roles.READER))
    first = lake.ingest(reader)
    with psycopg.connect(totesys) as connection:
        versions = [row[0] for row in connection.execute("SELECT DISTINCT xmin::text::bigint FROM payment")]
        orders = "SELECT sales_order_id, xmin::text::bigint FROM sales_order ORDER BY 1 LIMIT 2"
        [(changed, version), (other, _)] = connection.execute(orders).fetchall()
    wrap_around(cluster, min([*versions, version]) - 20)

    # More than 2^31 ids were consumed: every row is compared, and none is new.
    assert lake.ingest(reader).tables == {}

    with psycopg.connect(totesys) as connection:
        connection.execute("UPDATE payment SET paid = NOT paid WHERE payment_id = 2")
    # This transaction has the same id as the one that wrote the row 2^32 transactions ago.
    consume_ids(totesys, _ROUND + version)
    with psycopg.connect(totesys) as connection:
        connection.execute("UPDATE sales_order SET units_sold = units_sold + 1 WHERE sales_order_id = %s", [changed])
        [(written,)] = connection.execute("SELECT pg_current_xact_id()::text::bigint").fetchall()
        assert written == _ROUND + version
    consume_ids(totesys, _ROUND + first.snapshot.xmax + 10)
    with psycopg.connect(totesys) as connection:
        connection.execute("DELETE FROM payment WHERE payment_id = 3")
        connection.execute("UPDATE sales_order SET units_sold = units_sold + 1 WHERE sales_order_id = %s", [other])

    batch = lake.ingest(reader)
    ingested = {name: lake.rows(batch, name).orderBy(f"{name}_id").collect() for name in batch.tables}
    assert {name: [(row[f"{name}_id"], row["_op"]) for row in rows] for name, rows in ingested.items()} == {
        "payment": [(2, "U"), (3, "D")],
        "sales_order": [(changed, "U"), (other, "U")],
    }
    assert ingested["sales_order"][0]["_source_version"] == written
    assert lake.ingest(reader) is None

"""A world whose parts can be taken away, and what is asked of it when they are back."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
from moto.server import ThreadedMotoServer
from psycopg import sql
from pyspark.sql import SparkSession

from local_aws import s3
from local_aws.state import State
from ops.sandbox.postgres import Cluster
from tests.postgres_servers import PASSWORD, WAREHOUSE_OWNER, as_role, login_of, superuser
from totelake.runtime import failpoints
from totelake.runtime.connections import Login
from totesys import roles

type Action = Callable[[], object]

# What some tables of the warehouse show, as plain SQL on totesys.
SOURCE = {
    "current_fact_sales_order": "SELECT sales_order_id, units_sold, unit_price, staff_id FROM sales_order",
    "current_fact_purchase_order": "SELECT purchase_order_id, item_code, item_quantity FROM purchase_order",
    "current_fact_payment": "SELECT payment_id, payment_amount, paid, transaction_id FROM payment",
    "dim_staff": "SELECT staff_id, first_name, last_name, email_address FROM staff",
    "dim_location": "SELECT address_id, address_line_1, city, postal_code FROM address",
    "dim_transaction": "SELECT transaction_id, transaction_type, sales_order_id, purchase_order_id FROM transaction",
}
WAREHOUSE = {
    "current_fact_sales_order": "sales_order_id, units_sold, unit_price, sales_staff_id",
    "current_fact_purchase_order": "purchase_order_id, item_code, item_quantity",
    "current_fact_payment": "payment_id, payment_amount, paid, transaction_id",
    "dim_staff": "staff_id, first_name, last_name, email_address",
    "dim_location": "location_id, address_line_1, city, postal_code",
    "dim_transaction": "transaction_id, transaction_type, sales_order_id, purchase_order_id",
}
FACTS = {"fact_sales_order": "sales_order_id", "fact_purchase_order": "purchase_order_id", "fact_payment": "payment_id"}


class Endpoint:
    """The AWS of these tests: it can go and come again at the same address, with the same memory."""

    def __init__(self, state: State) -> None:
        """Keep the buckets in the `state` folder, and serve."""
        s3.install(state)
        self.port = 0
        self.start()

    def start(self) -> None:
        """Answer."""
        self._server = ThreadedMotoServer("127.0.0.1", self.port, verbose=False)
        self._server.start()
        self.port = self._server.get_host_and_port()[1]

    def stop(self) -> None:
        """Take no connection any more."""
        self._server.stop()


@dataclass
class World:
    """A Postgres server and an endpoint of its own, with a totesys and any number of warehouses."""

    cluster: Cluster
    endpoint: Endpoint
    lake_root: Path
    spark: SparkSession
    totesys: str

    @property
    def reader(self) -> Login:
        """The login by which totesys is read."""
        return login_of(as_role(self.totesys, roles.READER))

    def warehouse(self, name: str, tablespace: str = "pg_default") -> Login:
        """Make an empty database for a warehouse."""
        make = sql.SQL("CREATE DATABASE {} OWNER {} TABLESPACE {}")
        self.as_superuser(make.format(*map(sql.Identifier, (name, WAREHOUSE_OWNER, tablespace))))
        return login_of(self.cluster.url(name, WAREHOUSE_OWNER, PASSWORD))

    def as_superuser(self, statement: sql.Composed) -> None:
        """Have a statement carried out."""
        with psycopg.connect(superuser(self.cluster, "postgres"), autocommit=True) as connection:
            connection.execute(statement)

    def crash(self) -> None:
        """End the server at once, as a failing machine would; it has to recover when it starts."""
        postmaster = int((self.cluster.folder / "postmaster.pid").read_text().split()[0])
        os.kill(postmaster, signal.SIGQUIT)
        wait_until(lambda: not self.cluster.running())


def at(boundary: str, action: Action) -> AbstractContextManager[None]:
    """Watch for `boundary`, and take the action when it is reached for the first time."""
    left, lock = [action], threading.Lock()

    def watch(reached: str) -> None:
        with lock:
            found = left.pop() if reached == boundary and left else None
        if found:
            found()

    return failpoints.watched(watch)


def wait_until(condition: Callable[[], object], seconds: float = 30) -> None:
    """Wait until the condition holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@contextmanager
def restart(boundary: str, stop: Action, start: Action) -> Iterator[None]:
    """Stop something when `boundary` is reached, and start it again while the run already tries to go on."""
    starter = threading.Timer(0.3, start)

    def go() -> None:
        stop()
        starter.start()

    with at(boundary, go):
        yield
    assert starter.ident is not None, f"the run did not come to {boundary}"
    starter.join()


def all_is_well(totesys: str, warehouse: str, committed: list[tuple[int, str]]) -> None:
    """Hold the warehouse to the source, row for row, and to the log; nothing in it is there twice.

    `totesys` and `warehouse` are URLs, `committed` the sequences and ids of the batches in the processed log.
    """
    with psycopg.connect(totesys) as source, psycopg.connect(warehouse) as found:
        for relation, query in SOURCE.items():
            there = found.execute(f"SELECT {WAREHOUSE[relation]} FROM {relation}").fetchall()
            assert sorted(there, key=repr) == sorted(source.execute(query).fetchall(), key=repr), relation
        for fact, key in FACTS.items():
            doubled = f"SELECT {key} FROM {fact} GROUP BY {key}, _ingested_sequence HAVING count(*) > 1"
            assert found.execute(doubled).fetchall() == [], fact
        ledger = found.execute("SELECT processed_sequence, batch_id FROM load_ledger ORDER BY 1").fetchall()
    assert ledger == committed


def business_goes_on(totesys: str) -> None:
    """Change some rows of several tables."""
    with psycopg.connect(totesys) as connection:
        for statement in (
            "UPDATE sales_order SET units_sold = units_sold + 1 WHERE sales_order_id % 7 = 0",
            "UPDATE payment SET paid = NOT paid WHERE payment_id % 5 = 0",
            "UPDATE staff SET first_name = first_name || 'a' WHERE staff_id % 3 = 0",
        ):
            assert connection.execute(statement).rowcount > 0

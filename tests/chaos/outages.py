"""The services of a pipeline, which can be stopped, and the checks after they are back."""

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
from totelake.runtime.connections import Login, session_options
from totesys import roles

type Callback = Callable[[], object]

# Some tables of the warehouse as plain SQL on totesys.
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


class StoppableEndpoint:
    """The AWS of these tests: it can stop and start again on the same port with the same state."""

    def __init__(self, state: State) -> None:
        """Store the buckets in the `state` folder and start."""
        s3.mount(state)
        self.port = 0
        self.start()

    def start(self) -> None:
        """Start serving."""
        self._server = ThreadedMotoServer("127.0.0.1", self.port, verbose=False)
        self._server.start()
        self.port = self._server.get_host_and_port()[1]

    def stop(self) -> None:
        """Stop accepting connections."""
        self._server.stop()


@dataclass
class OutageServices:
    """A Postgres server and an endpoint, with one totesys and any number of warehouses."""

    cluster: Cluster
    endpoint: StoppableEndpoint
    lake_root: Path
    spark: SparkSession
    totesys: str

    @property
    def reader(self) -> Login:
        """The login that reads totesys."""
        return login_of(as_role(self.totesys, roles.READER))

    def warehouse(self, name: str, tablespace: str = "pg_default") -> Login:
        """Create an empty database for a warehouse and return its login."""
        make = sql.SQL("CREATE DATABASE {} OWNER {} TABLESPACE {}")
        self.as_superuser(make.format(*map(sql.Identifier, (name, WAREHOUSE_OWNER, tablespace))))
        return login_of(self.cluster.url(name, WAREHOUSE_OWNER, PASSWORD))

    def as_superuser(self, statement: sql.Composed) -> None:
        """Execute a statement as superuser."""
        with psycopg.connect(superuser(self.cluster, "postgres"), autocommit=True) as connection:
            connection.execute(statement)

    def crash(self) -> None:
        """Kill the server without a shutdown, so that it recovers at its next start."""
        postmaster = int((self.cluster.folder / "postmaster.pid").read_text().split()[0])
        os.kill(postmaster, signal.SIGQUIT)
        wait_until(lambda: not self.cluster.running())


def at_failpoint(boundary: str, action: Callback) -> AbstractContextManager[None]:
    """Run the action the first time that `boundary` is hit."""
    remaining, lock = [action], threading.Lock()

    def watch(reached: str) -> None:
        with lock:
            callback = remaining.pop() if reached == boundary and remaining else None
        if callback:
            callback()

    return failpoints.watched(watch)


def wait_until(condition: Callable[[], object], seconds: float = 30) -> None:
    """Wait until the condition is true."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@contextmanager
def restart(boundary: str, stop: Callback, start: Callback) -> Iterator[None]:
    """Stop a service when `boundary` is hit, and start it again while the run retries."""
    starter = threading.Timer(0.3, start)

    def go() -> None:
        stop()
        starter.start()

    with at_failpoint(boundary, go):
        yield
    assert starter.ident is not None, f"the run did not reach {boundary}"
    starter.join()


def assert_warehouse_matches_source(totesys: str, warehouse: str, committed: list[tuple[int, str]]) -> None:
    """Check that the warehouse equals the source and the ledger the log, and that no row is duplicated.

    `totesys` and `warehouse` are URLs, `committed` the sequences and ids of the batches in the processed log.
    """
    options = session_options(search_path="public")
    with psycopg.connect(totesys) as source, psycopg.connect(warehouse, options=options) as target:
        for relation, query in SOURCE.items():
            rows = target.execute(f"SELECT {WAREHOUSE[relation]} FROM {relation}").fetchall()
            assert sorted(rows, key=repr) == sorted(source.execute(query).fetchall(), key=repr), relation
        for fact, key in FACTS.items():
            duplicated = f"SELECT {key} FROM {fact} GROUP BY {key}, _ingested_sequence HAVING count(*) > 1"
            assert target.execute(duplicated).fetchall() == [], fact
        ledger = target.execute("SELECT processed_sequence, batch_id FROM load_ledger ORDER BY 1").fetchall()
    assert ledger == committed


def change_source_rows(totesys: str) -> None:
    """Change some rows of several tables."""
    with psycopg.connect(totesys) as connection:
        for statement in (
            "UPDATE sales_order SET units_sold = units_sold + 1 WHERE sales_order_id % 7 = 0",
            "UPDATE payment SET paid = NOT paid WHERE payment_id % 5 = 0",
            "UPDATE staff SET first_name = first_name || 'a' WHERE staff_id % 3 = 0",
        ):
            assert connection.execute(statement).rowcount > 0

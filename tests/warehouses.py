"""The kinds of warehouse for tests: to load, to inspect, and to make fail."""

from collections.abc import Callable
from dataclasses import dataclass
from uuid import uuid4

import boto3
import psycopg
import pytest
from psycopg import conninfo, sql

from local_aws import redshift
from tests.postgres_servers import login_of
from totelake.runtime.errors import StatementError
from totelake.warehouse import Warehouse
from totelake.warehouse.postgres import ledger
from totelake.warehouse.postgres.load import Postgres
from totelake.warehouse.redshift import transaction
from totelake.warehouse.redshift.load import Redshift

COPY_ROLE = "arn:aws:iam::123456789012:role/copy"


@dataclass(frozen=True)
class WarehouseUnderTest:
    """A warehouse of one kind; `url` is its Postgres database, or the one that emulates Redshift."""

    kind: str
    warehouse: Warehouse
    url: str
    password: str
    failure: type[Exception]
    break_its_end: Callable[[pytest.MonkeyPatch], None]

    def left_in_staging(self) -> list[str]:
        """Return the staging tables that were not cleaned up: Postgres drops them, Redshift empties them."""
        with psycopg.connect(self.url) as connection:
            names = [
                name
                for (name,) in connection.execute(
                    "SELECT relname FROM pg_class WHERE relnamespace = 'staging'::regnamespace AND relkind = 'r'"
                )
            ]
            if self.kind == "postgres":
                return names
            has_rows = sql.SQL("SELECT EXISTS (SELECT FROM {})")
            return [
                name
                for name in names
                if connection.execute(has_rows.format(sql.Identifier("staging", name))).fetchone() == (True,)
            ]


def postgres_side(url: str) -> WarehouseUnderTest:
    """Return the warehouse in the database at `url`."""
    login = login_of(url)

    def break_its_end(patch: pytest.MonkeyPatch) -> None:
        patch.setattr(ledger, "insert", lambda *_: 1 / 0)

    return WarehouseUnderTest("postgres", Postgres(login), url, login.password, ZeroDivisionError, break_its_end)


def redshift_side(url: str, temporary: str) -> WarehouseUnderTest:
    """Return a warehouse in the local Redshift, emulated by the database at `url`; COPY reads from `temporary`."""
    redshift.mount(lambda _, database: conninfo.make_conninfo(url, dbname=database))
    password = uuid4().hex
    secret = boto3.client("secretsmanager").create_secret(
        Name=f"redshift-{uuid4().hex}", SecretString=f'{{"username": "admin", "password": "{password}"}}'
    )["ARN"]
    warehouse = Redshift("totelake-test", login_of(url).database, secret, COPY_ROLE, temporary)

    def break_its_end(patch: pytest.MonkeyPatch) -> None:
        patch.setattr(transaction, "count_staged", lambda *_, **__: sql.SQL("SELECT 1 / 0"))

    return WarehouseUnderTest("redshift", warehouse, url, password, StatementError, break_its_end)

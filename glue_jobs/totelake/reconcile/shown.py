"""What a warehouse shows now, as it is read to be compared: one way for each kind of warehouse."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import singledispatch

import psycopg
from psycopg import sql

from totelake.reconcile import expected
from totelake.reconcile.sides import AS_RECORDS, POSTGRES_AS_TEXTS, REDSHIFT_AS_TEXTS, Form, Side
from totelake.source import BEGIN
from totelake.warehouse import Warehouse
from totelake.warehouse.ledger import NOTHING_LOADED
from totelake.warehouse.names import LEDGER, SCHEMA
from totelake.warehouse.postgres.load import Postgres
from totelake.warehouse.redshift import ledger
from totelake.warehouse.redshift.load import Redshift

_HAS_LEDGER = "SELECT to_regclass(%s) IS NOT NULL"
_LAST_ENTRY = sql.SQL("SELECT processed_sequence, last_ingested FROM {} ORDER BY 1 DESC LIMIT 1").format(
    sql.Identifier(SCHEMA, LEDGER)
)

type LastEntry = tuple[int, int] | None
"""The processed sequence that was loaded last, and the last ingested one in it; None before a load."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A warehouse at one point: the `last` entry of its ledger, its `side`, and the form that the `other` must have."""

    last: LastEntry
    side: Side
    other: Form


@singledispatch
def opened(warehouse: Warehouse) -> AbstractContextManager[Shown]:
    """Open the `warehouse` to read what it shows, all of it as it was when it was opened."""
    raise NotImplementedError(type(warehouse).__name__)


@opened.register
@contextmanager
def _(warehouse: Postgres) -> Iterator[Shown]:
    """Hold one snapshot, which the ledger's statement takes."""
    with psycopg.connect(warehouse.login.conninfo, autocommit=True) as connection:
        connection.execute(expected.SESSION)
        connection.execute(BEGIN)
        entry = None
        if connection.execute(_HAS_LEDGER, (f"{SCHEMA}.{LEDGER}",)).fetchone() == (True,):
            entry = connection.execute(_LAST_ENTRY).fetchone()
        side = Side(lambda statement: connection.execute(statement).fetchall(), expected.in_warehouse, AS_RECORDS)
        yield Shown(entry, side, AS_RECORDS)


@opened.register
@contextmanager
def _(warehouse: Redshift) -> Iterator[Shown]:
    """Ask with every statement whether the ledger is still the same: there is no snapshot to hold."""
    api = warehouse.api
    entry = ledger.last_entry(api) if ledger.exists(api) else NOTHING_LOADED
    side = Side(lambda statement: ledger.rows_while(api, entry, statement), expected.in_redshift, REDSHIFT_AS_TEXTS)
    loaded = None if entry == NOTHING_LOADED else (entry.sequence, entry.last_ingested)
    yield Shown(loaded, side, POSTGRES_AS_TEXTS)

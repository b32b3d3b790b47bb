"""What a warehouse shows now, as it is read to be compared: one way for each kind of warehouse."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial, singledispatch

import psycopg
from psycopg import sql

from totelake.reconcile import expected, uniqueness
from totelake.reconcile.dialects import (
    REDSHIFT_AS_TEXTS,
    Form,
    Side,
    as_postgres,
    as_texts,
    begin,
    encoding_of,
    in_savepoint,
)
from totelake.runtime.connections import APPLICATION_NAME
from totelake.runtime.locks import named_blockers
from totelake.tables.ledger import LEDGER
from totelake.warehouse import Warehouse
from totelake.warehouse.ledger import NOTHING_LOADED
from totelake.warehouse.names import SCHEMA
from totelake.warehouse.postgres.load import Postgres
from totelake.warehouse.redshift import ledger
from totelake.warehouse.redshift.load import Redshift

_HAS_LEDGER = "SELECT to_regclass(%s) IS NOT NULL"
_LAST_ENTRY = sql.SQL("SELECT processed_sequence, last_ingested FROM {} ORDER BY 1 DESC LIMIT 1").format(
    sql.Identifier(SCHEMA, LEDGER)
)

NAME = "the warehouse"

type LastEntry = tuple[int, int] | None
"""The processed sequence that was loaded last, and the last ingested one in it; None before a load."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A warehouse at one point: the `last` entry of its ledger, and its side beside a totesys in a server encoding.

    `side` returns that and `form` the form that totesys must have beside it.
    """

    last: LastEntry
    side: Callable[[str], Side]
    form: Callable[[str], Form]


@singledispatch
def opened(warehouse: Warehouse) -> AbstractContextManager[Shown]:
    """Open the `warehouse` to read what it shows, all of it as it was when it was opened."""
    raise NotImplementedError(type(warehouse).__name__)


@opened.register
@contextmanager
def _(warehouse: Postgres) -> Iterator[Shown]:
    """Hold one snapshot, which the ledger's statement takes."""
    with (
        named_blockers(warehouse.login, APPLICATION_NAME, database=NAME, stage="reconcile"),
        psycopg.connect(warehouse.login.conninfo, autocommit=True) as connection,
    ):
        begin(connection)
        entry = None
        if connection.execute(_HAS_LEDGER, (f"{SCHEMA}.{LEDGER}",)).fetchone() == (True,):
            entry = connection.execute(_LAST_ENTRY).fetchone()
        own, run = encoding_of(connection), partial(in_savepoint, connection)
        yield Shown(
            entry,
            side=lambda totesys: Side(
                NAME, run, expected.in_warehouse, uniqueness.in_warehouse, as_postgres(own, totesys)
            ),
            form=lambda totesys: as_postgres(totesys, own),
        )


@opened.register
@contextmanager
def _(warehouse: Redshift) -> Iterator[Shown]:
    """Ask with every statement whether the ledger is still the same: there is no snapshot to hold."""
    api = warehouse.api
    entry = ledger.last_entry(api) if ledger.exists(api) else NOTHING_LOADED
    run = partial(ledger.rows_while, api, entry)
    loaded = None if entry == NOTHING_LOADED else (entry.sequence, entry.last_ingested)
    side = Side(NAME, run, expected.in_redshift, uniqueness.in_redshift, REDSHIFT_AS_TEXTS)
    yield Shown(loaded, side=lambda _: side, form=as_texts)

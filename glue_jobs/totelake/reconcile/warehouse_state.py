"""The current state of a warehouse, opened for the comparison, for each kind of warehouse."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial, singledispatch

import psycopg
from psycopg import sql

from totelake.reconcile import expected, uniqueness
from totelake.reconcile.dialects import (
    REDSHIFT_AS_TEXTS,
    Dialect,
    Side,
    as_postgres,
    as_texts,
    begin,
    encoding_of,
    in_savepoint,
)
from totelake.runtime.connections import APPLICATION_NAME
from totelake.runtime.errors import ComparisonError
from totelake.runtime.locks import named_blockers
from totelake.tables import StarTable
from totelake.tables.ledger import LEDGER
from totelake.warehouse import Warehouse
from totelake.warehouse.ledger import NOTHING_LOADED
from totelake.warehouse.names import SCHEMA, current_view
from totelake.warehouse.postgres.load import Postgres
from totelake.warehouse.postgres.owners import checked_relations
from totelake.warehouse.redshift import ledger
from totelake.warehouse.redshift.load import Redshift

_LAST_ENTRY = sql.SQL("SELECT processed_sequence, last_ingested FROM {} ORDER BY 1 DESC LIMIT 1").format(
    sql.Identifier(SCHEMA, LEDGER)
)

NAME = "the warehouse"

type LastEntry = tuple[int, int] | None
"""The last loaded processed sequence, and the last ingested one that it covers; None before the first load."""


@dataclass(frozen=True, slots=True)
class WarehouseState:
    """A warehouse at one snapshot, with the `last` entry of its ledger.

    For the server encoding of totesys, `side` returns the warehouse's side, and `dialect` the dialect for totesys.
    """

    last: LastEntry
    side: Callable[[str], Side]
    dialect: Callable[[str], Dialect]


@singledispatch
def open_state(warehouse: Warehouse) -> AbstractContextManager[WarehouseState]:
    """Open the `warehouse` to read its state at one snapshot."""
    raise NotImplementedError(type(warehouse).__name__)


@open_state.register
@contextmanager
def _(warehouse: Postgres) -> Iterator[WarehouseState]:
    """Keep one snapshot open, which the first query takes."""
    with (
        named_blockers(warehouse.login, APPLICATION_NAME, database=NAME, stage="reconcile"),
        psycopg.connect(warehouse.login.conninfo, autocommit=True) as connection,
    ):
        begin(connection)
        existing = checked_relations(connection)
        entry = connection.execute(_LAST_ENTRY).fetchone() if LEDGER in existing else None
        encoding, run = encoding_of(connection), partial(in_savepoint, connection)
        yield WarehouseState(
            entry,
            side=lambda totesys: Side(
                NAME,
                run,
                partial(_in_postgres, existing),
                uniqueness.in_warehouse,
                as_postgres(encoding, totesys),
            ),
            dialect=lambda totesys: as_postgres(totesys, encoding),
        )


@open_state.register
@contextmanager
def _(warehouse: Redshift) -> Iterator[WarehouseState]:
    """Check with every statement that the ledger is unchanged, since no snapshot can be kept open."""
    api = warehouse.api
    entry = ledger.last_entry(api) if ledger.exists(api) else NOTHING_LOADED
    run = partial(ledger.rows_if_unchanged, api, entry)
    loaded = None if entry == NOTHING_LOADED else (entry.sequence, entry.last_ingested)
    side = Side(NAME, run, expected.in_redshift, uniqueness.in_redshift, REDSHIFT_AS_TEXTS)
    yield WarehouseState(loaded, side=lambda _: side, dialect=as_texts)


def _in_postgres(existing: set[str], table: StarTable) -> sql.Composed:
    """Return the query for `table`; raise `ComparisonError` if its view was not among the `existing`, checked ones."""
    view = current_view(table)
    if view not in existing:
        raise ComparisonError(NAME, f'relation "{SCHEMA}.{view}" does not exist')
    return expected.in_warehouse(table)

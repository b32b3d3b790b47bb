"""Fill an empty totesys with a business that has been going on since November 2022."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, time, timedelta
from importlib import resources
from random import Random

import psycopg
from psycopg import sql

from totesys import reference
from totesys.errors import NotEmptyError
from totesys.schema import TABLES, connect

SALES_ORDERS = 11_187
PURCHASE_ORDERS = 4_649
"""Of the real totesys in November 2024; other sizes keep the proportion."""

RANDOM_SEED = 20221103

FIRST_MONDAY = datetime(2022, 10, 31)  # noqa: DTZ001 - totesys keeps no time zone
OPENS, CLOSES = time(8), time(19)
DAY_MS = 11 * 60 * 60 * 1000

# A morning's payments come in batches of about this size; the largest are then of 37 rows or so.
BATCH_ROWS = 21

_ORDER_TABLES = ("sales_order", "purchase_order", "transaction", "payment")

type Progress = Callable[[str, int], None]


def seed(
    url: str,
    *,
    sales_orders: int = SALES_ORDERS,
    random_seed: int = RANDOM_SEED,
    now: datetime | None = None,
    progress: Progress | None = None,
) -> dict[str, int]:
    """Fill the empty totesys at `url` and return the rows of each table.

    The same `random_seed` and `now` (without time zone, UTC; by default the present) give the same rows. `progress` is
    told of every table and its rows as soon as they are in it. It is all one transaction: a seed that fails leaves
    nothing. Raises NotEmptyError, SchemaMissingError, UnreachableError, and ValueError for sizes below 0 or a `now`
    before the business began.
    """
    progress = progress or (lambda _table, _rows: None)
    now = now or datetime.now(UTC).replace(tzinfo=None)
    if sales_orders < 0:
        raise ValueError(f"the number of sales orders is {sales_orders}; it must not be below 0")
    if now <= reference.STAFFED + timedelta(minutes=1):
        raise ValueError(f"the business began on {reference.STAFFED}; it has no orders as of {now}")
    with connect(url) as connection:
        connection.cursor_factory = psycopg.ClientCursor
        _lock_empty(connection)
        with _bare(connection):
            _copy_reference(connection, random_seed, now, progress)
            _place_orders(connection, _parameters(sales_orders, random_seed, now), progress)
        counts = _follow(connection)
        connection.commit()
        connection.autocommit = True
        connection.execute("ANALYZE")
    return counts


def business_ms(moment: datetime) -> int:
    """Return how many milliseconds of office hours lie between the first Monday and `moment`."""
    days = (moment - FIRST_MONDAY).days
    weeks, weekday = divmod(days, 7)
    if weekday > 4:  # noqa: PLR2004 - Saturday and Sunday count as the end of Friday
        return (weeks + 1) * 5 * DAY_MS
    today = datetime.combine(moment.date(), OPENS)
    gone = (moment - today) // timedelta(milliseconds=1)
    return (weeks * 5 + weekday) * DAY_MS + min(max(gone, 0), DAY_MS)


def business_moment(elapsed_ms: int) -> datetime:
    """Return the moment at which `elapsed_ms` milliseconds of office hours have gone by, `business_ms` backwards."""
    days, rest = divmod(elapsed_ms, DAY_MS)
    return datetime.combine(FIRST_MONDAY, OPENS) + timedelta(days=days // 5 * 7 + days % 5, milliseconds=rest)


def _parameters(sales_orders: int, random_seed: int, now: datetime) -> dict[str, object]:
    purchase_orders = round(sales_orders * PURCHASE_ORDERS / SALES_ORDERS)
    opened, closed = business_ms(reference.STAFFED) + 60_000, business_ms(now)
    orders = sales_orders + purchase_orders
    paid_a_day = orders * DAY_MS / (closed - opened + 1) * 5 / 7
    return {
        "random_seed": random_seed,
        "now": now,
        "orders": orders,
        "purchase_orders": purchase_orders,
        "opened_ms": opened,
        "closed_ms": closed,
        "day_ms": DAY_MS,
        "batches": max(1, round(paid_a_day / BATCH_ROWS)),
        "staff": len(reference.STAFF),
        "counterparties": len(reference.COUNTERPARTIES),
        "currencies": len(reference.CURRENCIES),
        "addresses": len(reference.ADDRESSES),
        "designs": reference.DESIGN_COUNT,
        "first_designs": reference.FIRST_DESIGN_COUNT,
    }


def _lock_empty(connection: psycopg.Connection) -> None:
    """Keep everybody else out of the tables, which must be empty."""
    names = sql.SQL(", ").join(map(sql.Identifier, TABLES))
    connection.execute(sql.SQL("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE").format(names))
    row = "EXISTS (SELECT FROM {})"
    exists = sql.SQL("SELECT ") + sql.SQL(", ").join(sql.SQL(row).format(sql.Identifier(table)) for table in TABLES)
    found = connection.execute(exists).fetchone() or ()
    filled = [table for table, is_filled in zip(TABLES, found, strict=True) if is_filled]
    if filled:
        raise NotEmptyError(filled)
    # A truncated table is a new file: what its transaction writes there need not go through the log.
    connection.execute(sql.SQL("TRUNCATE {}").format(names))


@contextmanager
def _bare(connection: psycopg.Connection) -> Iterator[None]:
    """Take keys and indexes off the order tables and put the same ones on again: sorting beats a million look-ups."""
    constraints = connection.execute(
        """SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint
           WHERE conrelid = ANY(%s::regclass[]) AND contype IN ('p', 'f') ORDER BY contype, oid""",
        [list(_ORDER_TABLES)],
    ).fetchall()
    indexes = connection.execute(
        """SELECT indexrelid::regclass::text, pg_get_indexdef(indexrelid) FROM pg_index
           WHERE indrelid = ANY(%s::regclass[])
           AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid AND contype = 'p')""",
        [list(_ORDER_TABLES)],
    ).fetchall()
    for index, _ in indexes:
        connection.execute(sql.SQL("DROP INDEX {}").format(_verbatim(index)))
    for table, name, _ in constraints:
        drop = sql.SQL("ALTER TABLE {} DROP CONSTRAINT {}").format(_verbatim(table), sql.Identifier(name))
        connection.execute(drop)
    yield
    for table, name, definition in reversed(constraints):
        add = sql.SQL("ALTER TABLE {} ADD CONSTRAINT {} {}")
        connection.execute(add.format(_verbatim(table), sql.Identifier(name), _verbatim(definition)))
    for _, definition in indexes:
        connection.execute(_verbatim(definition))


def _verbatim(catalogued: str) -> sql.SQL:
    """Return what Postgres' own catalog gave, quoted by Postgres."""
    return sql.SQL(catalogued)


def _copy_reference(connection: psycopg.Connection, random_seed: int, now: datetime, progress: Progress) -> None:
    opened, staffed = (reference.OPENED,) * 2, (reference.STAFFED,) * 2
    emails = ((*person, reference.email(*person[:2])) for person in reference.STAFF)
    tables: dict[str, Iterator[tuple[object, ...]]] = {
        "address": ((*row, *opened) for row in reference.ADDRESSES),
        "currency": ((code, *opened) for code in reference.CURRENCIES),
        "payment_type": ((name, *opened) for name in reference.PAYMENT_TYPES),
        "department": ((*row, *opened) for row in reference.DEPARTMENTS),
        "staff": ((*row, *staffed) for row in emails),
        "counterparty": ((*row, *staffed) for row in reference.COUNTERPARTIES),
        "design": _designs(Random(random_seed), now),  # noqa: S311 - made-up data, not secrets
    }
    for table, rows in tables.items():
        progress(table, _copy(connection, table, rows))


def _copy(connection: psycopg.Connection, table: str, rows: Iterator[tuple[object, ...]]) -> int:
    """Copy rows, without their id, into a table whose columns they follow; ids count from 1. Return how many."""
    number = 0
    with connection.cursor().copy(sql.SQL("COPY {} FROM STDIN").format(sql.Identifier(table))) as copy:
        for number, row in enumerate(rows, start=1):
            copy.write_row((number, *row))
    return number


def _designs(random: Random, now: datetime) -> Iterator[tuple[object, ...]]:
    """Designs as the table has its columns: created_at, name, folder, file, last_updated."""
    opened, closed = business_ms(reference.STAFFED), business_ms(now)
    late = reference.DESIGN_COUNT - reference.FIRST_DESIGN_COUNT
    for number in range(reference.DESIGN_COUNT):
        place = number - reference.FIRST_DESIGN_COUNT
        came = reference.OPENED if place < 0 else business_moment(opened + (closed - opened) * place // late)
        drawn = came - timedelta(days=random.randint(20, 400))
        name = random.choice(reference.DESIGN_NAMES)
        letters = "".join(random.choices("abcdefghijklmnopqrstuvwxyz0123456789", k=4))
        yield came, name, random.choice(reference.DESIGN_FOLDERS), f"{name.lower()}-{drawn:%Y%m%d}-{letters}.json", came


def _place_orders(connection: psycopg.Connection, parameters: dict[str, object], progress: Progress) -> None:
    script = resources.files("totesys").joinpath("seed.sql").read_text(encoding="utf-8")
    for statement in re.sub(r"--.*", "", script).split(";\n\n"):
        done = connection.execute(statement.encode(), parameters)
        table = re.match(r"\s*INSERT INTO (\w+)", statement)
        if table:
            progress(table[1], done.rowcount)


def _follow(connection: psycopg.Connection) -> dict[str, int]:
    """Set each table's sequence behind its highest id; return the tables' rows."""
    counts = {}
    for table in TABLES:
        key = f"{table}_id"
        follow = sql.SQL(
            "SELECT count(*), setval(pg_get_serial_sequence({}, {}), coalesce(max({}), 0) + 1, false) FROM {}"
        ).format(sql.Literal(table), sql.Literal(key), sql.Identifier(key), sql.Identifier(table))
        found = connection.execute(follow).fetchone()
        counts[table] = found[0] if found else 0
    return counts

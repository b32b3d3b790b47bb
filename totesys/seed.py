"""Seed data for an empty totesys: orders and payments since November 2022."""

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
"""Row counts of the real totesys in November 2024; other sizes keep their ratio."""

RANDOM_SEED = 20221103

FIRST_MONDAY = datetime(2022, 10, 31)  # noqa: DTZ001 - totesys keeps no time zone
OPENS, CLOSES = time(8), time(19)
DAY_MS = 11 * 60 * 60 * 1000

MEAN_BATCH_ROWS = 21
"""The mean number of payments in a batch; the largest batches then have about 37."""

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
    """Fill the empty totesys at `url` and return the row count of each table.

    The same `random_seed` and `now` (UTC without time zone; by default the current time) give the same rows.
    `progress` is called with each table and its row count once it is filled. All runs in one transaction. Raises
    NotEmptyError, SchemaMissingError, UnreachableError, and ValueError for a negative size or a `now` before the
    business began.
    """
    progress = progress or (lambda _table, _rows: None)
    now = now or datetime.now(UTC).replace(tzinfo=None)
    if sales_orders < 0:
        raise ValueError(f"the number of sales orders is {sales_orders}; it must not be negative")
    if now <= reference.STAFFED + timedelta(minutes=1):
        raise ValueError(f"the business began on {reference.STAFFED}; it has no orders as of {now}")
    with connect(url) as connection:
        connection.cursor_factory = psycopg.ClientCursor
        _lock_empty(connection)
        with _without_keys_and_indexes(connection):
            _copy_reference(connection, random_seed, now, progress)
            _place_orders(connection, _parameters(sales_orders, random_seed, now), progress)
        counts = _set_sequences(connection)
        connection.commit()
        connection.autocommit = True
        connection.execute("ANALYZE")
    return counts


def business_ms(moment: datetime) -> int:
    """Return the milliseconds of business hours from the first Monday to `moment`."""
    days = (moment - FIRST_MONDAY).days
    weeks, weekday = divmod(days, 7)
    if weekday > 4:  # noqa: PLR2004 - Saturday and Sunday count as the end of Friday
        return (weeks + 1) * 5 * DAY_MS
    today = datetime.combine(moment.date(), OPENS)
    elapsed = (moment - today) // timedelta(milliseconds=1)
    return (weeks * 5 + weekday) * DAY_MS + min(max(elapsed, 0), DAY_MS)


def business_moment(elapsed_ms: int) -> datetime:
    """Return the moment after `elapsed_ms` milliseconds of business hours, the inverse of `business_ms`."""
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
        "batches": max(1, round(paid_a_day / MEAN_BATCH_ROWS)),
        "staff": len(reference.STAFF),
        "counterparties": len(reference.COUNTERPARTIES),
        "currencies": len(reference.CURRENCIES),
        "addresses": len(reference.ADDRESSES),
        "designs": reference.DESIGN_COUNT,
        "first_designs": reference.FIRST_DESIGN_COUNT,
    }


def _lock_empty(connection: psycopg.Connection) -> None:
    """Lock the tables in exclusive mode; raises NotEmptyError when one has rows."""
    names = sql.SQL(", ").join(map(sql.Identifier, TABLES))
    connection.execute(sql.SQL("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE").format(names))
    exists = "EXISTS (SELECT FROM {})"
    statement = sql.SQL("SELECT ") + sql.SQL(", ").join(
        sql.SQL(exists).format(sql.Identifier(table)) for table in TABLES
    )
    row = connection.execute(statement).fetchone() or ()

    filled = [table for table, is_filled in zip(TABLES, row, strict=True) if is_filled]
    if filled:
        raise NotEmptyError(filled)
    # COPY into a table that was truncated in the same transaction skips the write-ahead log.
    connection.execute(sql.SQL("TRUNCATE {}").format(names))


@contextmanager
def _without_keys_and_indexes(connection: psycopg.Connection) -> Iterator[None]:
    """Drop keys and indexes of the order tables and re-create them after the block, which makes the insert faster."""
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


def _verbatim(definition: str) -> sql.SQL:
    """Return a name or definition from Postgres' catalog, which Postgres has quoted, as SQL."""
    return sql.SQL(definition)


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
        "design": _designs(Random(random_seed), now),  # noqa: S311 - simulated data, not secrets
    }
    for table, rows in tables.items():
        progress(table, _copy(connection, table, rows))


def _copy(connection: psycopg.Connection, table: str, rows: Iterator[tuple[object, ...]]) -> int:
    """Copy rows, in the table's column order without the id, into it; number the ids from 1. Return the row count."""
    number = 0
    with connection.cursor().copy(sql.SQL("COPY {} FROM STDIN").format(sql.Identifier(table))) as copy:
        for number, row in enumerate(rows, start=1):
            copy.write_row((number, *row))
    return number


def _designs(random: Random, now: datetime) -> Iterator[tuple[object, ...]]:
    """Yield the rows of the table design: created_at, name, folder, file, last_updated."""
    opened, closed = business_ms(reference.STAFFED), business_ms(now)
    added_count = reference.DESIGN_COUNT - reference.FIRST_DESIGN_COUNT
    for number in range(reference.DESIGN_COUNT):
        added = number - reference.FIRST_DESIGN_COUNT
        created = reference.OPENED if added < 0 else business_moment(opened + (closed - opened) * added // added_count)
        drawn = created - timedelta(days=random.randint(20, 400))
        name = random.choice(reference.DESIGN_NAMES)
        letters = "".join(random.choices("abcdefghijklmnopqrstuvwxyz0123456789", k=4))
        file_name = f"{name.lower()}-{drawn:%Y%m%d}-{letters}.json"
        yield created, name, random.choice(reference.DESIGN_FOLDERS), file_name, created


def _place_orders(connection: psycopg.Connection, parameters: dict[str, object], progress: Progress) -> None:
    script = resources.files("totesys").joinpath("seed.sql").read_text(encoding="utf-8")
    for statement in re.sub(r"--.*", "", script).split(";\n\n"):
        done = connection.execute(statement.encode(), parameters)
        table = re.match(r"\s*INSERT INTO (\w+)", statement)
        if table:
            progress(table[1], done.rowcount)


def _set_sequences(connection: psycopg.Connection) -> dict[str, int]:
    """Set each table's sequence to follow its highest id; return the row count of each table."""
    counts = {}
    for table in TABLES:
        key = f"{table}_id"
        statement = sql.SQL(
            "SELECT count(*), setval(pg_get_serial_sequence({}, {}), coalesce(max({}), 0) + 1, false) FROM {}"
        ).format(sql.Literal(table), sql.Literal(key), sql.Identifier(key), sql.Identifier(table))
        row = connection.execute(statement).fetchone()
        counts[table] = row[0] if row else 0
    return counts

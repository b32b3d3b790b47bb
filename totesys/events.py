"""The events of the simulated business: what each does, how often it occurs, and the name under which it is counted."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from random import Random

import psycopg
from psycopg import sql

from totesys.business import Business
from totesys.commit_barrier import CommitBarrier

# At most so many payments are made in one statement.
BATCH_ROWS = 37


@dataclass(frozen=True, slots=True)
class EventContext:
    """What an event works with: `last` is the highest id of each table, `due` are payments that it may make."""

    business: Business
    random: Random
    last: Mapping[str, int]
    due: Sequence[int]
    commit_barrier: CommitBarrier

    def row(self, table: str) -> int:
        """Return the id of some row that was there when the activity began."""
        key, at_least = sql.Identifier(f"{table}_id"), self.random.randint(1, self.last[table])
        statement = sql.SQL("SELECT min({0}) FROM {1} WHERE {0} >= %s").format(key, sql.Identifier(table))
        found = self.business.connection.execute(statement, [at_least]).fetchone()
        return int(found[0]) if found else 0


def open_payments(connection: psycopg.Connection, limit: int, since: int = 0) -> list[int]:
    """Return payments with an id above `since` that can be made, the next due first; weekends' stay open for ever."""
    found = connection.execute(
        """SELECT payment_id FROM payment
           WHERE NOT paid AND payment_id > %s
           AND CASE WHEN pg_input_is_valid(payment_date, 'date') THEN extract(isodow FROM payment_date::date) < 6 END
           ORDER BY payment_date, payment_id LIMIT %s""",
        [since, limit],
    ).fetchall()
    return [payment for (payment,) in found]


@dataclass(frozen=True, slots=True)
class Event:
    """A kind of event: `act` does it and returns how many were done; `changes` names a table that must hold rows."""

    name: str
    weight: int
    act: Callable[[EventContext], int]
    changes: str | None = None


def _place_sale(context: EventContext) -> int:
    context.business.place_sales_order()
    return 1


def _place_purchase(context: EventContext) -> int:
    context.business.place_purchase_order()
    return 1


def _pay(context: EventContext) -> int:
    """Make the payments that were due when the activity began; where there were none, some that came with it."""
    since = context.last["payment"]
    return context.business.pay(context.due or open_payments(context.business.connection, BATCH_ROWS, since))


def _correct_sale(context: EventContext, *, stamp: bool = True) -> int:
    units, price = context.random.randint(1000, 100_000), Decimal(context.random.randint(200, 400)).scaleb(-2)
    day = datetime.now(UTC).date() + timedelta(days=context.random.randint(1, 649))
    order, what = context.row("sales_order"), context.random.randrange(4)
    if what == 0:
        context.business.correct_sales_order(order, units=units, stamp=stamp)
    elif what == 1:
        context.business.correct_sales_order(order, unit_price=price, stamp=stamp)
    else:
        context.business.correct_sales_order(order, units=units, delivery_date=day, payment_date=day, stamp=stamp)
    return 1


def _correct_purchase(context: EventContext) -> int:
    quantity = context.random.randint(1, 1000)
    context.business.correct_purchase_order(context.row("purchase_order"), quantity=quantity)
    return 1


def _correct_forgetfully(context: EventContext) -> int:
    return _correct_sale(context, stamp=False)


def _move_address(context: EventContext) -> int:
    context.business.move_address(context.row("address"))
    return 1


def _change_department(context: EventContext) -> int:
    context.business.change_department(context.row("department"))
    return 1


def _change_staff(context: EventContext) -> int:
    context.business.change_staff(context.row("staff"))
    return 1


def _hire(context: EventContext) -> int:
    context.business.hire()
    return 1


def _change_counterparty(context: EventContext) -> int:
    context.business.change_counterparty(context.row("counterparty"))
    return 1


def _add_design(context: EventContext) -> int:
    context.business.add_design()
    return 1


def late(act: Callable[[EventContext], int]) -> Callable[[EventContext], int]:
    """Return the same event in a transaction that commits after a younger one has, if there is one in time."""

    def act_late(context: EventContext) -> int:
        with context.business.connection.transaction():
            done = act(context)
            context.commit_barrier.wait_for_newer_commit()
        return done

    return act_late


def _partial_rollback(context: EventContext) -> int:
    """Place an order, take a second one back to its savepoint, place a third in a savepoint that stays."""
    connection = context.business.connection
    with connection.transaction():
        context.business.place_sales_order()
        with connection.transaction() as regretted:
            context.business.place_purchase_order()
            raise psycopg.Rollback(regretted)
        with connection.transaction():
            context.business.place_purchase_order()
    return 1


def _roll_back(context: EventContext) -> int:
    with context.business.connection.transaction() as regretted:
        context.business.place_sales_order()
        raise psycopg.Rollback(regretted)
    return 1


PAY = Event("payments made", 5, _pay)

EVENTS = (
    Event("sales orders placed", 40, _place_sale),
    Event("purchase orders placed", 17, _place_purchase),
    PAY,
    Event("sales orders corrected", 10, _correct_sale, "sales_order"),
    Event("purchase orders corrected", 5, _correct_purchase, "purchase_order"),
    Event("corrections that forgot last_updated", 3, _correct_forgetfully, "sales_order"),
    Event("sales orders committed late", 4, late(_place_sale)),
    Event("corrections committed late", 2, late(_correct_sale), "sales_order"),
    Event("transactions rolled back in part", 2, _partial_rollback),
    Event("transactions rolled back", 1, _roll_back),
    Event("addresses changed", 3, _move_address, "address"),
    Event("counterparties changed", 3, _change_counterparty, "counterparty"),
    Event("members of staff moved", 2, _change_staff, "staff"),
    Event("members of staff hired", 1, _hire),
    Event("departments changed", 1, _change_department, "department"),
    Event("designs added", 2, _add_design),
)


def plan(random: Random, events: int, last: Mapping[str, int]) -> list[Event]:
    """Return so many `events` in the order in which they begin: each kind at least once if there is room, by weight."""
    possible = [event for event in EVENTS if event.changes is None or last[event.changes]]
    planned = list(possible) if events >= len(possible) else []
    planned += random.choices(possible, [event.weight for event in possible], k=events - len(planned))
    random.shuffle(planned)
    return planned

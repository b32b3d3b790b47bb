"""The events of the simulated business: name, weight and action of each."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from random import Random

import psycopg
from psycopg import sql

from totesys.business import Business
from totesys.commit_barrier import CommitBarrier

MAX_BATCH_ROWS = 37
"""The maximum number of payments that one statement makes."""


@dataclass(frozen=True, slots=True)
class EventContext:
    """Input of an event: `max_ids` has the highest id of each table, `due_payments` the ids of payments to make."""

    business: Business
    random: Random
    max_ids: Mapping[str, int]
    due_payments: Sequence[int]
    commit_barrier: CommitBarrier

    def random_id(self, table: str) -> int:
        """Return the id of a random row that existed when the activity began."""
        key, at_least = sql.Identifier(f"{table}_id"), self.random.randint(1, self.max_ids[table])
        statement = sql.SQL("SELECT min({0}) FROM {1} WHERE {0} >= %s").format(key, sql.Identifier(table))
        row = self.business.connection.execute(statement, [at_least]).fetchone()
        return int(row[0]) if row else 0


def open_payments(connection: psycopg.Connection, limit: int, above_id: int = 0) -> list[int]:
    """Return the ids of unpaid payments above `above_id`, earliest due first, without those due at a weekend."""
    rows = connection.execute(
        """SELECT payment_id FROM payment
           WHERE NOT paid AND payment_id > %s
           AND CASE WHEN pg_input_is_valid(payment_date, 'date') THEN extract(isodow FROM payment_date::date) < 6 END
           ORDER BY payment_date, payment_id LIMIT %s""",
        [above_id, limit],
    ).fetchall()
    return [payment_id for (payment_id,) in rows]


@dataclass(frozen=True, slots=True)
class Event:
    """A type of event: `act` performs it and returns its count; the table `changes`, if any, must have rows."""

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
    """Make the due payments of the context; without any, payments that were created during the activity."""
    connection, max_id = context.business.connection, context.max_ids["payment"]
    return context.business.pay(context.due_payments or open_payments(connection, MAX_BATCH_ROWS, max_id))


def _correct_sale(context: EventContext, *, stamp: bool = True) -> int:
    units, price = context.random.randint(1000, 100_000), Decimal(context.random.randint(200, 400)).scaleb(-2)
    day = datetime.now(UTC).date() + timedelta(days=context.random.randint(1, 649))
    order_id, correction = context.random_id("sales_order"), context.random.randrange(4)
    if correction == 0:
        context.business.correct_sales_order(order_id, units=units, stamp=stamp)
    elif correction == 1:
        context.business.correct_sales_order(order_id, unit_price=price, stamp=stamp)
    else:
        context.business.correct_sales_order(order_id, units=units, delivery_date=day, payment_date=day, stamp=stamp)
    return 1


def _correct_purchase(context: EventContext) -> int:
    quantity = context.random.randint(1, 1000)
    context.business.correct_purchase_order(context.random_id("purchase_order"), quantity=quantity)
    return 1


def _correct_without_stamp(context: EventContext) -> int:
    return _correct_sale(context, stamp=False)


def _move_address(context: EventContext) -> int:
    context.business.move_address(context.random_id("address"))
    return 1


def _change_department(context: EventContext) -> int:
    context.business.change_department(context.random_id("department"))
    return 1


def _change_staff(context: EventContext) -> int:
    context.business.change_staff(context.random_id("staff"))
    return 1


def _hire(context: EventContext) -> int:
    context.business.hire()
    return 1


def _change_counterparty(context: EventContext) -> int:
    context.business.change_counterparty(context.random_id("counterparty"))
    return 1


def _add_design(context: EventContext) -> int:
    context.business.add_design()
    return 1


def late(act: Callable[[EventContext], int]) -> Callable[[EventContext], int]:
    """Return the action in a transaction that waits for a newer transaction to commit first."""

    def act_late(context: EventContext) -> int:
        with context.business.connection.transaction():
            done = act(context)
            context.commit_barrier.wait_for_newer_commit()
        return done

    return act_late


def _partial_rollback(context: EventContext) -> int:
    """Place an order, roll a second one back to its savepoint, and place a third one in a released savepoint."""
    connection = context.business.connection
    with connection.transaction():
        context.business.place_sales_order()
        with connection.transaction() as savepoint:
            context.business.place_purchase_order()
            raise psycopg.Rollback(savepoint)
        with connection.transaction():
            context.business.place_purchase_order()
    return 1


def _roll_back(context: EventContext) -> int:
    with context.business.connection.transaction() as transaction:
        context.business.place_sales_order()
        raise psycopg.Rollback(transaction)
    return 1


PAY = Event("payments made", 5, _pay)

EVENTS = (
    Event("sales orders placed", 40, _place_sale),
    Event("purchase orders placed", 17, _place_purchase),
    PAY,
    Event("sales orders corrected", 10, _correct_sale, "sales_order"),
    Event("purchase orders corrected", 5, _correct_purchase, "purchase_order"),
    Event("corrections that forgot last_updated", 3, _correct_without_stamp, "sales_order"),
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


def plan(random: Random, events: int, max_ids: Mapping[str, int]) -> list[Event]:
    """Return this number of `events` in random order, drawn by weight; each type at least once if `events` allows."""
    possible = [event for event in EVENTS if event.changes is None or max_ids[event.changes]]
    planned = list(possible) if events >= len(possible) else []
    planned += random.choices(possible, [event.weight for event in possible], k=events - len(planned))
    random.shuffle(planned)
    return planned

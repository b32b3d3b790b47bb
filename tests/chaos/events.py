"""What a business does to totesys in a history: each event is a function of one transaction."""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

import psycopg

from totesys.business import Business


@dataclass(frozen=True)
class EventContext:
    """What an event happens to: a connection in a transaction, the business on it, and the luck of the history.

    `last_snapshot` is the snapshot of the last ingested batch, None before the first one.
    """

    connection: psycopg.Connection
    business: Business
    choice: Random
    last_snapshot: str | None = None


type Event = Callable[[EventContext], object]
"""Raises LookupError where there is nothing that it could happen to."""


_ORPHANS = """
    SELECT EXISTS (SELECT FROM counterparty WHERE legal_address_id NOT IN (SELECT address_id FROM address))
        OR EXISTS (SELECT FROM payment WHERE transaction_id NOT IN (SELECT transaction_id FROM transaction))
"""


def some(context: EventContext, table: str) -> int:
    """Return the key of a record of `table`; raises LookupError where there is none."""
    found = context.connection.execute(f"SELECT {table}_id FROM {table} ORDER BY 1".encode()).fetchall()
    if not found:
        raise LookupError(table)
    return context.choice.choice(found)[0]


def _place_sale(context: EventContext) -> None:
    context.business.place_sales_order()


def _place_purchase(context: EventContext) -> None:
    context.business.place_purchase_order()


def _correct_sale(context: EventContext) -> None:
    context.business.correct_sales_order(some(context, "sales_order"), units=context.choice.randint(1000, 100_000))


def _correct_sale_forgetfully(context: EventContext) -> None:
    order = some(context, "sales_order")
    context.business.correct_sales_order(order, units=context.choice.randint(1000, 100_000), stamp=False)


def _correct_purchase(context: EventContext) -> None:
    context.business.correct_purchase_order(some(context, "purchase_order"), quantity=context.choice.randint(1, 1000))


def _pay(context: EventContext) -> None:
    context.business.pay([some(context, "payment")])


def _move_address(context: EventContext) -> None:
    context.business.move_address(some(context, "address"))


def _change_department(context: EventContext) -> None:
    context.business.change_department(some(context, "department"))


def _change_staff(context: EventContext) -> None:
    context.business.change_staff(some(context, "staff"))


def _change_counterparty(context: EventContext) -> None:
    context.business.change_counterparty(some(context, "counterparty"))


def _hire(context: EventContext) -> None:
    context.business.hire()


def _add_design(context: EventContext) -> None:
    context.business.add_design()


def _delete_payment(context: EventContext) -> None:
    payment = some(context, "payment")
    context.connection.execute("DELETE FROM payment WHERE payment_id = %s", (payment,))


def _delete_sale(context: EventContext) -> None:
    """Delete an order with what belongs to it."""
    order = (some(context, "sales_order"),)
    of_order = "SELECT transaction_id FROM transaction WHERE sales_order_id = %s"
    context.connection.execute(f"DELETE FROM payment WHERE transaction_id IN ({of_order})", order)
    context.connection.execute("DELETE FROM transaction WHERE sales_order_id = %s", order)
    context.connection.execute("DELETE FROM sales_order WHERE sales_order_id = %s", order)


def _delete_staff(context: EventContext) -> None:
    context.connection.execute("DELETE FROM staff WHERE staff_id = %s", (some(context, "staff"),))


def _delete_design(context: EventContext) -> None:
    context.connection.execute("DELETE FROM design WHERE design_id = %s", (some(context, "design"),))


def _bring_payment_back(context: EventContext) -> None:
    """Delete a payment and insert it again under its old number."""
    context.connection.execute(
        "WITH gone AS (DELETE FROM payment WHERE payment_id = %s RETURNING *) INSERT INTO payment SELECT * FROM gone",
        (some(context, "payment"),),
    )


def orphans(context: EventContext) -> bool:
    """Return whether a payment's counterparty or transaction may never have come to the warehouse."""
    [(found,)] = context.connection.execute(_ORPHANS).fetchall()
    return bool(found)


def _change_key(context: EventContext) -> None:
    """Give a record another key: the old one is gone, the new one is there."""
    table = context.choice.choice(("payment", "design", "staff"))
    context.connection.execute(
        f"""UPDATE {table} SET {table}_id = (SELECT greatest(max({table}_id), 100000) + 1 FROM {table})
            WHERE {table}_id = {some(context, table)}""".encode()
    )


def _swap_keys(context: EventContext) -> None:
    """Let two payments swap their keys, while no payment waits for a counterparty or a transaction."""
    first, second = some(context, "payment"), some(context, "payment")
    if first == second or orphans(context):
        raise LookupError("payment")
    for key, new in ((first, -1), (second, first), (-1, second)):
        context.connection.execute("UPDATE payment SET payment_id = %s WHERE payment_id = %s", (new, key))


BUSINESS: tuple[Event, ...] = (
    _place_sale,
    _place_sale,
    _place_purchase,
    _correct_sale,
    _correct_sale_forgetfully,
    _correct_purchase,
    _pay,
    _move_address,
    _change_department,
    _change_staff,
    _change_counterparty,
    _hire,
    _add_design,
    _delete_payment,
    _delete_sale,
    _delete_staff,
    _delete_design,
    _bring_payment_back,
    _change_key,
    _swap_keys,
)

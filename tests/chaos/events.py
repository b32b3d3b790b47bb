"""Changes of rows of totesys in a history: each event is a function that runs in one transaction."""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

import psycopg

from totesys.business import Business


@dataclass(frozen=True)
class HistoryContext:
    """The context of an event: a connection in a transaction, the business on it, and the history's random choices.

    `last_snapshot` is the snapshot of the last ingested batch, None before the first one.
    """

    connection: psycopg.Connection
    business: Business
    choice: Random
    last_snapshot: str | None = None


type Event = Callable[[HistoryContext], object]
"""Raises LookupError if there is no suitable row."""


_ORPHANS = """
    SELECT EXISTS (SELECT FROM counterparty WHERE legal_address_id NOT IN (SELECT address_id FROM address))
        OR EXISTS (SELECT FROM payment WHERE transaction_id NOT IN (SELECT transaction_id FROM transaction))
"""


def some(context: HistoryContext, table: str) -> int:
    """Return a random key of `table`; raises LookupError if it is empty."""
    keys = context.connection.execute(f"SELECT {table}_id FROM {table} ORDER BY 1".encode()).fetchall()
    if not keys:
        raise LookupError(table)
    return context.choice.choice(keys)[0]


def _place_sale(context: HistoryContext) -> None:
    context.business.place_sales_order()


def _place_purchase(context: HistoryContext) -> None:
    context.business.place_purchase_order()


def _correct_sale(context: HistoryContext) -> None:
    context.business.correct_sales_order(some(context, "sales_order"), units=context.choice.randint(1000, 100_000))


def _correct_sale_without_timestamp(context: HistoryContext) -> None:
    order = some(context, "sales_order")
    context.business.correct_sales_order(order, units=context.choice.randint(1000, 100_000), stamp=False)


def _correct_purchase(context: HistoryContext) -> None:
    context.business.correct_purchase_order(some(context, "purchase_order"), quantity=context.choice.randint(1, 1000))


def _pay(context: HistoryContext) -> None:
    context.business.pay([some(context, "payment")])


def _move_address(context: HistoryContext) -> None:
    context.business.move_address(some(context, "address"))


def _change_department(context: HistoryContext) -> None:
    context.business.change_department(some(context, "department"))


def _change_staff(context: HistoryContext) -> None:
    context.business.change_staff(some(context, "staff"))


def _change_counterparty(context: HistoryContext) -> None:
    context.business.change_counterparty(some(context, "counterparty"))


def _hire(context: HistoryContext) -> None:
    context.business.hire()


def _add_design(context: HistoryContext) -> None:
    context.business.add_design()


def _delete_payment(context: HistoryContext) -> None:
    payment = some(context, "payment")
    context.connection.execute("DELETE FROM payment WHERE payment_id = %s", (payment,))


def _delete_sale(context: HistoryContext) -> None:
    """Delete an order with its transaction and payment."""
    order = (some(context, "sales_order"),)
    of_order = "SELECT transaction_id FROM transaction WHERE sales_order_id = %s"
    context.connection.execute(f"DELETE FROM payment WHERE transaction_id IN ({of_order})", order)
    context.connection.execute("DELETE FROM transaction WHERE sales_order_id = %s", order)
    context.connection.execute("DELETE FROM sales_order WHERE sales_order_id = %s", order)


def _delete_staff(context: HistoryContext) -> None:
    context.connection.execute("DELETE FROM staff WHERE staff_id = %s", (some(context, "staff"),))


def _delete_design(context: HistoryContext) -> None:
    context.connection.execute("DELETE FROM design WHERE design_id = %s", (some(context, "design"),))


def _reinsert_payment(context: HistoryContext) -> None:
    """Delete a payment and insert it again with the same key."""
    context.connection.execute(
        "WITH deleted AS (DELETE FROM payment WHERE payment_id = %s RETURNING *)"
        " INSERT INTO payment SELECT * FROM deleted",
        (some(context, "payment"),),
    )


def orphans(context: HistoryContext) -> bool:
    """Return whether a payment's counterparty or transaction may be missing in the warehouse."""
    [(has_orphans,)] = context.connection.execute(_ORPHANS).fetchall()
    return bool(has_orphans)


def _change_key(context: HistoryContext) -> None:
    """Change the key of a row."""
    table = context.choice.choice(("payment", "design", "staff"))
    context.connection.execute(
        f"""UPDATE {table} SET {table}_id = (SELECT greatest(max({table}_id), 100000) + 1 FROM {table})
            WHERE {table}_id = {some(context, table)}""".encode()
    )


def _swap_keys(context: HistoryContext) -> None:
    """Swap the keys of two payments, if no payment is quarantined for its counterparty or transaction."""
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
    _correct_sale_without_timestamp,
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
    _reinsert_payment,
    _change_key,
    _swap_keys,
)

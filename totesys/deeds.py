"""Everything that happens in the business, how often, and by what name it is told."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from random import Random

import psycopg
from psycopg import sql

from totesys.business import Business
from totesys.turnstile import Turnstile

# At most so many payments are made in one statement.
BATCH_ROWS = 37


@dataclass(frozen=True, slots=True)
class Scene:
    """What one deed has to work with: `last` is the highest id of each table, `due` are payments that it may make."""

    business: Business
    random: Random
    last: Mapping[str, int]
    due: Sequence[int]
    turnstile: Turnstile

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
class Deed:
    """A kind of event: `act` does it and returns how many were done; `changes` names a table that must hold rows."""

    name: str
    weight: int
    act: Callable[[Scene], int]
    changes: str | None = None


def _place_sale(scene: Scene) -> int:
    scene.business.place_sales_order()
    return 1


def _place_purchase(scene: Scene) -> int:
    scene.business.place_purchase_order()
    return 1


def _pay(scene: Scene) -> int:
    """Make the payments that were due when the activity began; where there were none, some that came with it."""
    since = scene.last["payment"]
    return scene.business.pay(scene.due or open_payments(scene.business.connection, BATCH_ROWS, since))


def _correct_sale(scene: Scene, *, stamp: bool = True) -> int:
    units, price = scene.random.randint(1000, 100_000), Decimal(scene.random.randint(200, 400)).scaleb(-2)
    day = datetime.now(UTC).date() + timedelta(days=scene.random.randint(1, 649))
    order, what = scene.row("sales_order"), scene.random.randrange(4)
    if what == 0:
        scene.business.correct_sales_order(order, units=units, stamp=stamp)
    elif what == 1:
        scene.business.correct_sales_order(order, unit_price=price, stamp=stamp)
    else:
        scene.business.correct_sales_order(order, units=units, delivery_date=day, payment_date=day, stamp=stamp)
    return 1


def _correct_purchase(scene: Scene) -> int:
    quantity = scene.random.randint(1, 1000)
    scene.business.correct_purchase_order(scene.row("purchase_order"), quantity=quantity)
    return 1


def _correct_forgetfully(scene: Scene) -> int:
    return _correct_sale(scene, stamp=False)


def _move_address(scene: Scene) -> int:
    scene.business.move_address(scene.row("address"))
    return 1


def _change_department(scene: Scene) -> int:
    scene.business.change_department(scene.row("department"))
    return 1


def _change_staff(scene: Scene) -> int:
    scene.business.change_staff(scene.row("staff"))
    return 1


def _hire(scene: Scene) -> int:
    scene.business.hire()
    return 1


def _change_counterparty(scene: Scene) -> int:
    scene.business.change_counterparty(scene.row("counterparty"))
    return 1


def _add_design(scene: Scene) -> int:
    scene.business.add_design()
    return 1


def late(act: Callable[[Scene], int]) -> Callable[[Scene], int]:
    """Return the same deed in a transaction that commits after a younger one has, if there is one in time."""

    def act_late(scene: Scene) -> int:
        with scene.business.connection.transaction():
            done = act(scene)
            scene.turnstile.let_a_younger_pass()
        return done

    return act_late


def _think_better_of_it(scene: Scene) -> int:
    """Place an order, take a second one back to its savepoint, place a third in a savepoint that stays."""
    connection = scene.business.connection
    with connection.transaction():
        scene.business.place_sales_order()
        with connection.transaction() as regretted:
            scene.business.place_purchase_order()
            raise psycopg.Rollback(regretted)
        with connection.transaction():
            scene.business.place_purchase_order()
    return 1


def _roll_back(scene: Scene) -> int:
    with scene.business.connection.transaction() as regretted:
        scene.business.place_sales_order()
        raise psycopg.Rollback(regretted)
    return 1


PAY = Deed("payments made", 5, _pay)

DEEDS = (
    Deed("sales orders placed", 40, _place_sale),
    Deed("purchase orders placed", 17, _place_purchase),
    PAY,
    Deed("sales orders corrected", 10, _correct_sale, "sales_order"),
    Deed("purchase orders corrected", 5, _correct_purchase, "purchase_order"),
    Deed("corrections that forgot last_updated", 3, _correct_forgetfully, "sales_order"),
    Deed("sales orders committed late", 4, late(_place_sale)),
    Deed("corrections committed late", 2, late(_correct_sale), "sales_order"),
    Deed("transactions rolled back in part", 2, _think_better_of_it),
    Deed("transactions rolled back", 1, _roll_back),
    Deed("addresses changed", 3, _move_address, "address"),
    Deed("counterparties changed", 3, _change_counterparty, "counterparty"),
    Deed("members of staff moved", 2, _change_staff, "staff"),
    Deed("members of staff hired", 1, _hire),
    Deed("departments changed", 1, _change_department, "department"),
    Deed("designs added", 2, _add_design),
)


def plan(random: Random, events: int, last: Mapping[str, int]) -> list[Deed]:
    """Return `events` deeds in the order of their beginning: each kind at least once if there is room, by weight."""
    possible = [deed for deed in DEEDS if deed.changes is None or last[deed.changes]]
    deeds = list(possible) if events >= len(possible) else []
    deeds += random.choices(possible, [deed.weight for deed in possible], k=events - len(deeds))
    random.shuffle(deeds)
    return deeds

"""A random history: a business goes on, the platform runs and is killed, and in the end nothing is lost or doubled."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

import psycopg

from tests.chaos.site import BASE, EMPTY, Site
from tests.chaos.warm import Point
from totelake import boundaries
from totesys.business import Business

STAGES = ("ingest", "transform", "load")
_ZONE = (
    boundaries.TABLE_WRITTEN,
    boundaries.BEFORE_LOG_CREATED,
    boundaries.LOG_CREATED,
    boundaries.PARTITIONS_REGISTERED,
)
BOUNDARIES = {
    "ingest": (boundaries.SNAPSHOT_EXPORTED, *_ZONE),
    "transform": _ZONE,
    "load": (boundaries.TABLE_STAGED, boundaries.BEFORE_MERGE_COMMITTED, boundaries.MERGE_COMMITTED),
}
_FROM_EMPTY = 0.04
_KILLED = 0.85
# Most histories are to have a batch that passes a transaction by while it shows a younger one.
_LEFT_OPEN = 0.4
_RUN_ONCE_MORE = 0.1
_ROUNDS = (1, 1, 2)
_ALL_TOGETHER = (boundaries.TABLE_WRITTEN, boundaries.TABLE_STAGED)


@dataclass
class Told:
    """What happened in a history, for whoever reads of its failure, and its figures."""

    seed: int
    lines: list[str] = field(default_factory=list)
    runs: int = 0
    kills: Counter[str] = field(default_factory=Counter)
    rows: int = 0
    once_more: int = 0
    faults: list[str] = field(default_factory=list)


def happen(site: Site, seed: int) -> Told:
    """Let the history of `seed` happen at `site`, and return what is told of it."""
    choice, told = Random(seed), Told(seed)
    beginning = EMPTY if choice.random() < _FROM_EMPTY else BASE
    site.go_back_to(beginning)
    told.lines.append(f"begins {beginning}")
    people = People(site.totesys, choice, told)
    for _ in range(choice.choice(_ROUNDS)):
        people.act()
        _run(site, choice, told)
    people.go_home()
    for stage in STAGES:
        _stage(site, told, stage, None)
    told.rows = site.hold_against_source(told.faults)
    if choice.random() < _RUN_ONCE_MORE:
        _run_once_more(site, told)
    return told


def _run_once_more(site: Site, told: Told) -> None:
    """Run all stages once more, and see that there was nothing to do."""
    before = (len(site.ingested()), len(site.processed()))
    for stage in STAGES:
        _stage(site, told, stage, None)
    told.once_more += 1
    if (len(site.ingested()), len(site.processed())) != before:
        told.faults.append("a run after the end committed something")


def _run(site: Site, choice: Random, told: Told) -> None:
    """Run the stages one after the other; most often one of them is killed, and those after it do not run."""
    victim = choice.choice(STAGES) if choice.random() < _KILLED else None
    for stage in STAGES:
        kill = None
        if stage == victim:
            boundary = choice.choice(BOUNDARIES[stage])
            kill = Point(boundary, choice.randint(1, 3) if boundary in _ALL_TOGETHER else 1)
        if not _stage(site, told, stage, kill):
            return


def _stage(site: Site, told: Told, stage: str, kill: Point | None) -> bool:
    """Run one stage; return whether it was left to end."""
    outcome = site.warm.run(site.job(stage), kill=kill)
    told.runs += 1
    if outcome.killed:
        told.kills[f"{stage}: {outcome.reached[-1]}"] += 1
        told.lines.append(f"{stage} killed at {outcome.reached[-1]!r}")
        site.await_quiet()
    else:
        told.lines.append(f"{stage} {outcome.error or 'ended'}")
    if outcome.error:
        told.faults.append(f"{stage} failed: {outcome.error}")
    site.note_committed()
    return not outcome.killed


class People:
    """Those who write to totesys, some of whom keep a transaction open over several runs."""

    def __init__(self, url: str, choice: Random, told: Told) -> None:
        """Write to the totesys at `url`, and tell of it."""
        self._url = url
        self._choice = choice
        self._told = told
        self._late: list[psycopg.Connection] = []

    def act(self) -> None:
        """Write in some transactions; now and then one that was open ends, and one is left open."""
        for connection in list(self._late):
            if self._choice.random() < 0.5:
                self._end(connection)
        for _ in range(self._choice.randint(1, 3)):
            connection = psycopg.connect(self._url)
            # This begins the transaction; a savepoint without one would be a transaction of its own, and commit.
            connection.execute("SET LOCAL lock_timeout = '20ms'")
            for _ in range(self._choice.randint(1, 2)):
                self._deed(connection)
            if self._choice.random() < _LEFT_OPEN:
                self._told.lines.append("… and leaves the transaction open")
                self._late.append(connection)
            else:
                self._finish(connection)

    def place_order(self) -> None:
        """Write a single order."""
        with psycopg.connect(self._url) as connection:
            Business(connection, self._choice).place_sales_order()

    def go_home(self) -> None:
        """End everything that is open."""
        for connection in list(self._late):
            self._end(connection)

    def _end(self, connection: psycopg.Connection) -> None:
        self._late.remove(connection)
        self._told.lines.append("an open transaction ends")
        self._finish(connection)

    def _finish(self, connection: psycopg.Connection) -> None:
        if self._choice.random() < 0.1:
            self._told.lines.append("… and is rolled back")
            connection.rollback()
        else:
            connection.commit()
        connection.close()

    def _deed(self, connection: psycopg.Connection) -> None:
        """Do something in a savepoint, which is given up when somebody else holds the row or refers to it."""
        deed = self._choice.choice(_DEEDS)
        try:
            with connection.transaction():
                deed(Business(connection, self._choice), self._choice)
                if self._choice.random() < 0.1:
                    raise psycopg.Rollback
        except (psycopg.errors.LockNotAvailable, psycopg.errors.ForeignKeyViolation, LookupError):
            self._told.lines.append(f"{deed.__name__.strip('_')} could not be done")
        else:
            self._told.lines.append(deed.__name__.strip("_"))


type _Deed = Callable[[Business, Random], object]


def _some(business: Business, table: str, choice: Random) -> int:
    found = business.connection.execute(f"SELECT {table}_id FROM {table} ORDER BY 1").fetchall()
    if not found:
        raise LookupError(table)
    return choice.choice(found)[0]


def _place_sale(business: Business, _choice: Random) -> None:
    business.place_sales_order()


def _place_purchase(business: Business, _choice: Random) -> None:
    business.place_purchase_order()


def _correct_sale(business: Business, choice: Random) -> None:
    business.correct_sales_order(_some(business, "sales_order", choice), units=choice.randint(1000, 100_000))


def _correct_sale_forgetfully(business: Business, choice: Random) -> None:
    order = _some(business, "sales_order", choice)
    business.correct_sales_order(order, units=choice.randint(1000, 100_000), stamp=False)


def _correct_purchase(business: Business, choice: Random) -> None:
    business.correct_purchase_order(_some(business, "purchase_order", choice), quantity=choice.randint(1, 1000))


def _pay(business: Business, choice: Random) -> None:
    business.pay([_some(business, "payment", choice)])


def _move_address(business: Business, choice: Random) -> None:
    business.move_address(_some(business, "address", choice))


def _change_department(business: Business, choice: Random) -> None:
    business.change_department(_some(business, "department", choice))


def _change_staff(business: Business, choice: Random) -> None:
    business.change_staff(_some(business, "staff", choice))


def _change_counterparty(business: Business, choice: Random) -> None:
    business.change_counterparty(_some(business, "counterparty", choice))


def _hire(business: Business, _choice: Random) -> None:
    business.hire()


def _add_design(business: Business, _choice: Random) -> None:
    business.add_design()


def _delete_payment(business: Business, choice: Random) -> None:
    payment = _some(business, "payment", choice)
    business.connection.execute("DELETE FROM payment WHERE payment_id = %s", (payment,))


def _delete_sale(business: Business, choice: Random) -> None:
    """Delete an order with what belongs to it."""
    order = (_some(business, "sales_order", choice),)
    of_order = "SELECT transaction_id FROM transaction WHERE sales_order_id = %s"
    business.connection.execute(f"DELETE FROM payment WHERE transaction_id IN ({of_order})", order)
    business.connection.execute("DELETE FROM transaction WHERE sales_order_id = %s", order)
    business.connection.execute("DELETE FROM sales_order WHERE sales_order_id = %s", order)


def _delete_staff(business: Business, choice: Random) -> None:
    business.connection.execute("DELETE FROM staff WHERE staff_id = %s", (_some(business, "staff", choice),))


def _delete_design(business: Business, choice: Random) -> None:
    business.connection.execute("DELETE FROM design WHERE design_id = %s", (_some(business, "design", choice),))


def _bring_payment_back(business: Business, choice: Random) -> None:
    """Delete a payment and insert it again under its old number."""
    business.connection.execute(
        "WITH gone AS (DELETE FROM payment WHERE payment_id = %s RETURNING *) INSERT INTO payment SELECT * FROM gone",
        (_some(business, "payment", choice),),
    )


_DEEDS: tuple[_Deed, ...] = (
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
)

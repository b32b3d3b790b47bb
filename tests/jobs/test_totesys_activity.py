"""The business going on, from several connections, against a real Postgres."""

from datetime import date, timedelta
from decimal import Decimal
from random import Random
from threading import Thread

import psycopg
import pytest

from totesys import events, schema, seed
from totesys.activity import Business, activity
from totesys.commit_barrier import CommitBarrier
from totesys.errors import NotSeededError
from totesys.events import EVENTS, plan

# Writes down when a row's transaction commits: deferred triggers run last.
COMMIT_LOG = """
CREATE TABLE commit_log (sales_order_id int, created_at timestamp(3), committed_at timestamp);
CREATE FUNCTION log_commit() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO commit_log VALUES (NEW.sales_order_id, NEW.created_at, clock_timestamp());
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER log_commit AFTER INSERT ON sales_order DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION log_commit();
"""


def one(url, query, *values):
    """Return the only row of an answer."""
    with psycopg.connect(url) as connection:
        (row,) = connection.execute(query, values).fetchall()
        return row


def order_and_payment(url, table, number):
    """Return an order and its payment, as dictionaries."""
    with psycopg.connect(url, row_factory=psycopg.rows.dict_row) as connection:
        order = connection.execute(f"SELECT * FROM {table} WHERE {table}_id = %s", [number]).fetchone()
        payment = connection.execute(
            f"""SELECT transaction_type, payment.* FROM payment JOIN transaction USING (transaction_id)
                WHERE {table}_id = %s""",
            [number],
        ).fetchone()
        return order, payment


def tallies(url):
    """Return rows of each table."""
    return {table: one(url, f"SELECT count(*) FROM {table}")[0] for table in schema.TABLES}


def test_what_is_counted_is_what_happened(totesys_database):
    """Every kind of event occurs in three hundred events, and none deletes."""
    before = tallies(totesys_database)
    with psycopg.connect(totesys_database) as connection:
        connection.execute("SELECT * INTO staff_before FROM staff; SELECT * INTO address_before FROM address")
    done = activity(totesys_database, events=300, random_seed=5)
    after = tallies(totesys_database)
    counts = done.counts
    assert counts.keys() - {"events done again after a conflict"} == {event.name for event in EVENTS}
    sales = counts["sales orders placed"] + counts["sales orders committed late"]
    partial = counts["transactions rolled back in part"]
    purchases = counts["purchase orders placed"] + partial
    assert after["sales_order"] - before["sales_order"] == sales + partial
    assert after["purchase_order"] - before["purchase_order"] == purchases
    assert after["payment"] - before["payment"] == sales + purchases + partial
    assert after["transaction"] == after["payment"]
    assert after["design"] - before["design"] == counts["designs added"]
    assert after["staff"] - before["staff"] == counts["members of staff hired"]
    assert {table: after[table] for table in ("address", "counterparty", "department", "currency", "payment_type")} == {
        table: before[table] for table in ("address", "counterparty", "department", "currency", "payment_type")
    }
    moved = one(
        totesys_database, "SELECT count(*) FROM (SELECT * FROM address EXCEPT SELECT * FROM address_before) AS a"
    )
    assert 1 <= moved[0] <= counts["addresses changed"]


def test_amounts_stay_exact_whatever_was_corrected(totesys_database):
    """The payment follows its order."""
    activity(totesys_database, events=200, random_seed=6)
    for table, amount in (
        ("sales_order", "units_sold * unit_price"),
        ("purchase_order", "item_quantity * item_unit_price"),
    ):
        wrong = f"""SELECT count(*) FROM {table} JOIN transaction USING ({table}_id) JOIN payment USING (transaction_id)
                    WHERE payment_amount <> {amount} OR payment_date <> agreed_payment_date"""
        assert one(totesys_database, wrong) == (0,)


def test_some_orders_commit_after_younger_ones(totesys_database, monkeypatch):
    """They come with an older timestamp than rows that were there to be read before them."""
    late_order = events.late(lambda context: context.business.place_sales_order(units=77_777) and 1)
    monkeypatch.setattr(events, "EVENTS", (events.EVENTS[0], events.Event("late", 8, late_order)))
    with psycopg.connect(totesys_database) as connection:
        connection.execute(COMMIT_LOG)
    activity(totesys_database, events=90, random_seed=7, late=60)
    found = one(
        totesys_database,
        """SELECT count(*), count(*) FILTER (WHERE EXISTS (
               SELECT FROM commit_log AS younger WHERE younger.sales_order_id > late.sales_order_id
               AND younger.created_at >= late.created_at AND younger.committed_at < late.committed_at))
           FROM commit_log AS late JOIN sales_order USING (sales_order_id) WHERE units_sold = 77777""",
    )
    # Some of them may find nobody who does anything else.
    assert found[0] >= 10
    assert found[1] >= found[0] * 0.6


def test_one_person_alone_waits_for_nobody(totesys_database):
    """Late commits need a second connection."""
    done = activity(totesys_database, events=40, random_seed=8, connections=1, late=600)
    assert done.counts["sales orders committed late"] >= 1


def test_the_same_seed_plans_the_same_deeds():
    """Each kind once where there is room for it."""
    last = dict.fromkeys(schema.TABLES, 10)
    assert plan(Random(1), 50, last) == plan(Random(1), 50, last)
    assert set(plan(Random(1), len(EVENTS), last)) == set(EVENTS)
    assert len(plan(Random(1), 3, last)) == 3


def test_a_business_without_orders_corrects_none(empty_totesys):
    """What needs an order does not happen."""
    seed.seed(empty_totesys, sales_orders=0)
    done = activity(empty_totesys, events=30)
    assert "sales orders corrected" not in done.counts
    assert tallies(empty_totesys)["sales_order"] > 0


def test_an_empty_totesys_is_refused_with_the_way_out(empty_totesys):
    """There is nobody to do business."""
    with pytest.raises(NotSeededError, match="totelake seed"):
        activity(empty_totesys)


@pytest.mark.parametrize("numbers", [{"events": -1}, {"connections": 0}, {"late": -0.1}])
def test_senseless_numbers_are_refused(numbers):
    """Before anything is connected to."""
    with pytest.raises(ValueError, match=next(iter(numbers))):
        activity("postgresql://127.0.0.1:1/none", **numbers)


def test_a_conflict_is_tried_again(totesys_database, monkeypatch):
    """An event that Postgres sacrificed to end a deadlock is done all the same."""
    pay, failures = Business.pay, iter(range(3))

    def unlucky(self, due):
        if next(failures, None) is not None:
            raise psycopg.errors.DeadlockDetected
        return pay(self, due)

    monkeypatch.setattr(Business, "pay", unlucky)
    done = activity(totesys_database, events=len(EVENTS), connections=2)
    assert done.counts["events done again after a conflict"] == 3


def test_an_error_of_one_person_ends_the_activity(totesys_database, monkeypatch):
    """And is not swallowed."""
    monkeypatch.setattr(Business, "add_design", lambda _self: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        activity(totesys_database, events=100)


def test_an_order_can_be_committed_late(totesys_database):
    """Both timestamps are older than those of an order that was there before."""
    with psycopg.connect(totesys_database) as late, psycopg.connect(totesys_database, autocommit=True) as early:
        older = Business(late).place_sales_order()
        younger = Business(early).place_sales_order()
        seen = early.execute("SELECT sales_order_id FROM sales_order WHERE sales_order_id > 200").fetchall()
        assert seen == [(younger,)]
        late.commit()
    by_age = "SELECT array_agg(sales_order_id ORDER BY last_updated, 1) FROM sales_order WHERE sales_order_id > 200"
    assert one(totesys_database, by_age) == ([older, younger],)


def test_a_deed_joins_a_transaction_that_was_begun(totesys_database):
    """In autocommit too: what is rolled back did not happen."""
    with psycopg.connect(totesys_database, autocommit=True) as connection, connection.transaction(force_rollback=True):
        Business(connection).place_sales_order()
    assert tallies(totesys_database)["sales_order"] == 200


def test_a_sale_is_placed_as_it_was_agreed(totesys_database):
    """With the transaction and the payment that belong to it."""
    day = date(2026, 2, 28)
    with psycopg.connect(totesys_database, autocommit=True) as connection:
        number = Business(connection).place_sales_order(
            units=4321,
            unit_price=Decimal("2.37"),
            delivery_date=day + timedelta(days=649),
            payment_date=day,
            staff_id=17,
        )
    order, payment = order_and_payment(totesys_database, "sales_order", number)
    assert (order["units_sold"], order["unit_price"], order["staff_id"]) == (4321, Decimal("2.37"), 17)
    assert order["agreed_delivery_date"] == "2027-12-09"
    assert (payment["payment_amount"], payment["payment_type_id"], payment["paid"]) == (Decimal("10240.77"), 1, False)
    assert payment["payment_date"] == "2026-02-28"
    assert payment["counterparty_id"] == order["counterparty_id"]


def test_a_purchase_is_placed_as_it_was_agreed(totesys_database):
    """As a sale, the other way round."""
    with psycopg.connect(totesys_database, autocommit=True) as connection:
        number = Business(connection).place_purchase_order(quantity=3, unit_price=Decimal("3.33"), item_code="A1B2C3D")
    order, payment = order_and_payment(totesys_database, "purchase_order", number)
    assert (order["item_code"], order["item_quantity"]) == ("A1B2C3D", 3)
    assert (payment["payment_amount"], payment["payment_type_id"]) == (Decimal("9.99"), 3)
    assert payment["transaction_type"] == "PURCHASE"


def test_a_correction_reaches_the_payment_and_both_timestamps(totesys_database):
    """The rest stays."""
    before = order_and_payment(totesys_database, "sales_order", 7)
    with psycopg.connect(totesys_database, autocommit=True) as connection:
        Business(connection).correct_sales_order(7, units=1000, payment_date=date(2030, 1, 2))
    order, payment = order_and_payment(totesys_database, "sales_order", 7)
    assert payment["payment_amount"] == 1000 * before[0]["unit_price"]
    assert payment["payment_date"] == order["agreed_payment_date"] == "2030-01-02"
    assert order["last_updated"] == payment["last_updated"] > before[0]["last_updated"]
    assert order["agreed_delivery_date"] == before[0]["agreed_delivery_date"]


def test_a_correction_can_forget_last_updated(totesys_database):
    """The row changes and does not say so."""
    before, _ = order_and_payment(totesys_database, "purchase_order", 7)
    with psycopg.connect(totesys_database, autocommit=True) as connection:
        Business(connection).correct_purchase_order(7, unit_price=Decimal("999.99"), stamp=False)
    after, _ = order_and_payment(totesys_database, "purchase_order", 7)
    assert after["item_unit_price"] == Decimal("999.99")
    assert after["last_updated"] == before["last_updated"]


def test_a_correction_of_the_delivery_leaves_the_payment_alone(totesys_database):
    """There is no new version of a row that did not change."""
    version = "SELECT payment.xmin::text FROM payment JOIN transaction USING (transaction_id) WHERE sales_order_id = 7"
    before = one(totesys_database, version)
    with psycopg.connect(totesys_database, autocommit=True) as connection:
        Business(connection).correct_sales_order(7, delivery_date=date(2030, 1, 2))
    assert one(totesys_database, version) == before


def test_corrections_of_nothing_and_of_nobody_are_refused(totesys_database):
    """The error names the row."""
    with psycopg.connect(totesys_database, autocommit=True) as connection:
        business = Business(connection)
        with pytest.raises(LookupError, match="sales_order 4711"):
            business.correct_sales_order(4711, units=5)
        with pytest.raises(ValueError, match="sales_order 7"):
            business.correct_sales_order(7)


def test_payments_of_a_batch_share_their_millisecond_and_are_made_once(totesys_database):
    """Those that were made before keep theirs."""
    with psycopg.connect(totesys_database, autocommit=True) as connection:
        business = Business(connection)
        for _ in range(5):
            business.place_sales_order()
        unpaid = connection.execute("SELECT payment_id FROM payment WHERE NOT paid ORDER BY 1 DESC LIMIT 5").fetchall()
        ids = [number for (number,) in unpaid]
        assert business.pay(ids) == 5
        assert business.pay(ids) == 0
        times = connection.execute("SELECT DISTINCT last_updated FROM payment WHERE payment_id = ANY(%s)", [ids])
        assert len(times.fetchall()) == 1


def test_names_that_would_be_sql_stay_names(totesys_database):
    """In every text that an event can set."""
    name = "Robert'); DROP TABLE staff; -- {} \\ \""
    with psycopg.connect(totesys_database, autocommit=True) as connection:
        business = Business(connection)
        business.move_address(1, address_line_1=name, city=name, phone=name)
        business.change_department(2, location=name, manager=None)
        business.change_counterparty(3, commercial_contact=name)
        business.change_staff(4, last_name=name)
        design, person = business.add_design(design_name=name), business.hire(last_name=name)
        with pytest.raises(psycopg.errors.UndefinedColumn):
            business.change_staff(4, **{name: 1})
    assert one(totesys_database, "SELECT city, phone FROM address WHERE address_id = 1") == (name, name)
    assert one(totesys_database, "SELECT location, manager FROM department WHERE department_id = 2") == (name, None)
    assert one(totesys_database, "SELECT commercial_contact FROM counterparty WHERE counterparty_id = 3") == (name,)
    assert one(totesys_database, "SELECT count(*) FROM staff WHERE last_name = %s", name) == (2,)
    assert one(totesys_database, "SELECT design_name FROM design WHERE design_id = %s", design) == (name,)
    assert person == 21


def test_whoever_waits_is_let_go_by_a_younger_one_or_by_being_alone():
    """And else by losing patience."""
    pair = CommitBarrier(people=2, patience=60)
    waiter = Thread(target=pair.wait_for_newer_commit)
    waiter.start()
    while waiter.is_alive():
        pair.end(pair.begin())
    assert not CommitBarrier(people=2, patience=0).wait_for_newer_commit()
    assert not CommitBarrier(people=1, patience=60).wait_for_newer_commit()


def test_when_everybody_waits_the_last_one_goes_on():
    """Or they would all wait for something that nobody begins."""
    commit_barrier, passed = CommitBarrier(people=3, patience=60), []

    def wait():
        number = commit_barrier.begin()
        passed.append(commit_barrier.wait_for_newer_commit())
        commit_barrier.end(number)
        commit_barrier.leave()

    people = [Thread(target=wait) for _ in range(3)]
    for person in people:
        person.start()
    for person in people:
        person.join(30)
    assert len(passed) == 3
    assert not passed[0]

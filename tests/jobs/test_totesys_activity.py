"""Simulated business activity over several connections to a real Postgres."""

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

# Records when a row's transaction commits: deferred triggers run last.
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


def only_row(url, query, *values):
    """Return the only row of a query's result."""
    with psycopg.connect(url) as connection:
        (row,) = connection.execute(query, values).fetchall()
        return row


def order_and_payment(url, table, number):
    """Return an order and its payment as dictionaries."""
    with psycopg.connect(url, row_factory=psycopg.rows.dict_row) as connection:
        order = connection.execute(f"SELECT * FROM {table} WHERE {table}_id = %s", [number]).fetchone()
        payment = connection.execute(
            f"""SELECT transaction_type, payment.* FROM payment JOIN transaction USING (transaction_id)
                WHERE {table}_id = %s""",
            [number],
        ).fetchone()
        return order, payment


def row_counts(url):
    """Return the number of rows of each table."""
    return {table: only_row(url, f"SELECT count(*) FROM {table}")[0] for table in schema.TABLES}


def test_activity_counts_match_the_rows_written(totesys_database):
    """Three hundred events include every kind; none deletes."""
    before = row_counts(totesys_database)
    with psycopg.connect(totesys_database) as connection:
        connection.execute("SELECT * INTO staff_before FROM staff; SELECT * INTO address_before FROM address")
    result = activity(totesys_database, events=300, random_seed=5)
    after = row_counts(totesys_database)
    counts = result.counts
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
    changed = only_row(
        totesys_database, "SELECT count(*) FROM (SELECT * FROM address EXCEPT SELECT * FROM address_before) AS a"
    )
    assert 1 <= changed[0] <= counts["addresses changed"]


def test_payments_match_corrected_orders(totesys_database):
    """Amount and date of the payment follow the order."""
    activity(totesys_database, events=200, random_seed=6)
    for table, amount in (
        ("sales_order", "units_sold * unit_price"),
        ("purchase_order", "item_quantity * item_unit_price"),
    ):
        wrong = f"""SELECT count(*) FROM {table} JOIN transaction USING ({table}_id) JOIN payment USING (transaction_id)
                    WHERE payment_amount <> {amount} OR payment_date <> agreed_payment_date"""
        assert only_row(totesys_database, wrong) == (0,)


def test_some_orders_commit_after_newer_ones(totesys_database, monkeypatch):
    """Their timestamps are older than those of rows already committed."""
    late_order = events.late(lambda context: context.business.place_sales_order(units=77_777) and 1)
    monkeypatch.setattr(events, "EVENTS", (events.EVENTS[0], events.Event("late", 8, late_order)))
    with psycopg.connect(totesys_database) as connection:
        connection.execute(COMMIT_LOG)
    activity(totesys_database, events=90, random_seed=7, late=60)
    late_orders = only_row(
        totesys_database,
        """SELECT count(*), count(*) FILTER (WHERE EXISTS (
               SELECT FROM commit_log AS newer WHERE newer.sales_order_id > late.sales_order_id
               AND newer.created_at >= late.created_at AND newer.committed_at < late.committed_at))
           FROM commit_log AS late JOIN sales_order USING (sales_order_id) WHERE units_sold = 77777""",
    )
    # Some have no concurrent session to wait for.
    assert late_orders[0] >= 10
    assert late_orders[1] >= late_orders[0] * 0.6


def test_single_connection_commits_late_orders_without_waiting(totesys_database):
    """A late commit waits for a second connection."""
    result = activity(totesys_database, events=40, random_seed=8, connections=1, late=600)
    assert result.counts["sales orders committed late"] >= 1


def test_same_seed_plans_the_same_events():
    """Each kind at least once when there are enough events."""
    last = dict.fromkeys(schema.TABLES, 10)
    assert plan(Random(1), 50, last) == plan(Random(1), 50, last)
    assert set(plan(Random(1), len(EVENTS), last)) == set(EVENTS)
    assert len(plan(Random(1), 3, last)) == 3


def test_activity_without_orders_corrects_none(empty_totesys):
    """Events that need an order are skipped."""
    seed.seed(empty_totesys, sales_orders=0)
    result = activity(empty_totesys, events=30)
    assert "sales orders corrected" not in result.counts
    assert row_counts(empty_totesys)["sales_order"] > 0


def test_activity_on_an_empty_totesys_is_rejected(empty_totesys):
    """The error names the command that seeds it."""
    with pytest.raises(NotSeededError, match="totelake seed"):
        activity(empty_totesys)


@pytest.mark.parametrize("numbers", [{"events": -1}, {"connections": 0}, {"late": -0.1}])
def test_invalid_numbers_are_rejected(numbers):
    """Before a connection is opened."""
    with pytest.raises(ValueError, match=next(iter(numbers))):
        activity("postgresql://127.0.0.1:1/none", **numbers)


def test_event_is_retried_after_a_conflict(totesys_database, monkeypatch):
    """An event cancelled as a deadlock victim still happens."""
    pay, failures = Business.pay, iter(range(3))

    def deadlock_three_times(self, due):
        if next(failures, None) is not None:
            raise psycopg.errors.DeadlockDetected
        return pay(self, due)

    monkeypatch.setattr(Business, "pay", deadlock_three_times)
    result = activity(totesys_database, events=len(EVENTS), connections=2)
    assert result.counts["events done again after a conflict"] == 3


def test_error_in_one_thread_ends_the_activity(totesys_database, monkeypatch):
    """It is raised."""
    monkeypatch.setattr(Business, "add_design", lambda _self: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        activity(totesys_database, events=100)


def test_order_can_be_committed_late(totesys_database):
    """Both of its timestamps are older than those of an order committed before."""
    with psycopg.connect(totesys_database) as late, psycopg.connect(totesys_database, autocommit=True) as early:
        older = Business(late).place_sales_order()
        newer = Business(early).place_sales_order()
        seen = early.execute("SELECT sales_order_id FROM sales_order WHERE sales_order_id > 200").fetchall()
        assert seen == [(newer,)]
        late.commit()
    by_age = "SELECT array_agg(sales_order_id ORDER BY last_updated, 1) FROM sales_order WHERE sales_order_id > 200"
    assert only_row(totesys_database, by_age) == ([older, newer],)


def test_event_joins_the_open_transaction(totesys_database):
    """In autocommit mode too: a rollback undoes it."""
    with psycopg.connect(totesys_database, autocommit=True) as connection, connection.transaction(force_rollback=True):
        Business(connection).place_sales_order()
    assert row_counts(totesys_database)["sales_order"] == 200


def test_sale_is_placed_with_the_given_terms(totesys_database):
    """With its transaction and payment."""
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


def test_purchase_is_placed_with_the_given_terms(totesys_database):
    """With its transaction and payment."""
    with psycopg.connect(totesys_database, autocommit=True) as connection:
        number = Business(connection).place_purchase_order(quantity=3, unit_price=Decimal("3.33"), item_code="A1B2C3D")
    order, payment = order_and_payment(totesys_database, "purchase_order", number)
    assert (order["item_code"], order["item_quantity"]) == ("A1B2C3D", 3)
    assert (payment["payment_amount"], payment["payment_type_id"]) == (Decimal("9.99"), 3)
    assert payment["transaction_type"] == "PURCHASE"


def test_correction_updates_the_payment_and_both_timestamps(totesys_database):
    """Nothing else changes."""
    before = order_and_payment(totesys_database, "sales_order", 7)
    with psycopg.connect(totesys_database, autocommit=True) as connection:
        Business(connection).correct_sales_order(7, units=1000, payment_date=date(2030, 1, 2))
    order, payment = order_and_payment(totesys_database, "sales_order", 7)
    assert payment["payment_amount"] == 1000 * before[0]["unit_price"]
    assert payment["payment_date"] == order["agreed_payment_date"] == "2030-01-02"
    assert order["last_updated"] == payment["last_updated"] > before[0]["last_updated"]
    assert order["agreed_delivery_date"] == before[0]["agreed_delivery_date"]


def test_correction_can_leave_last_updated_unchanged(totesys_database):
    """The row changes without a new timestamp."""
    before, _ = order_and_payment(totesys_database, "purchase_order", 7)
    with psycopg.connect(totesys_database, autocommit=True) as connection:
        Business(connection).correct_purchase_order(7, unit_price=Decimal("999.99"), stamp=False)
    after, _ = order_and_payment(totesys_database, "purchase_order", 7)
    assert after["item_unit_price"] == Decimal("999.99")
    assert after["last_updated"] == before["last_updated"]


def test_correction_of_the_delivery_date_leaves_the_payment_unchanged(totesys_database):
    """There is no new version of an unchanged row."""
    version = "SELECT payment.xmin::text FROM payment JOIN transaction USING (transaction_id) WHERE sales_order_id = 7"
    before = only_row(totesys_database, version)
    with psycopg.connect(totesys_database, autocommit=True) as connection:
        Business(connection).correct_sales_order(7, delivery_date=date(2030, 1, 2))
    assert only_row(totesys_database, version) == before


def test_empty_correction_and_unknown_row_are_rejected(totesys_database):
    """The error names the row."""
    with psycopg.connect(totesys_database, autocommit=True) as connection:
        business = Business(connection)
        with pytest.raises(LookupError, match="sales_order 4711"):
            business.correct_sales_order(4711, units=5)
        with pytest.raises(ValueError, match="sales_order 7"):
            business.correct_sales_order(7)


def test_payments_of_a_batch_share_a_timestamp_and_are_made_once(totesys_database):
    """Earlier payments keep theirs."""
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


def test_text_with_sql_is_stored_as_text(totesys_database):
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
    assert only_row(totesys_database, "SELECT city, phone FROM address WHERE address_id = 1") == (name, name)
    assert only_row(totesys_database, "SELECT location, manager FROM department WHERE department_id = 2") == (
        name,
        None,
    )
    assert only_row(totesys_database, "SELECT commercial_contact FROM counterparty WHERE counterparty_id = 3") == (
        name,
    )
    assert only_row(totesys_database, "SELECT count(*) FROM staff WHERE last_name = %s", name) == (2,)
    assert only_row(totesys_database, "SELECT design_name FROM design WHERE design_id = %s", design) == (name,)
    assert person == 21


def test_barrier_releases_a_waiter_after_a_newer_commit_or_when_alone():
    """Or after its timeout."""
    pair = CommitBarrier(people=2, patience=60)
    waiter = Thread(target=pair.wait_for_newer_commit)
    waiter.start()
    while waiter.is_alive():
        pair.end(pair.begin())
    assert not CommitBarrier(people=2, patience=0).wait_for_newer_commit()
    assert not CommitBarrier(people=1, patience=60).wait_for_newer_commit()


def test_barrier_releases_the_last_waiter_when_all_wait():
    """Otherwise all would wait forever."""
    commit_barrier, released = CommitBarrier(people=3, patience=60), []

    def wait():
        number = commit_barrier.begin()
        released.append(commit_barrier.wait_for_newer_commit())
        commit_barrier.end(number)
        commit_barrier.leave()

    people = [Thread(target=wait) for _ in range(3)]
    for person in people:
        person.start()
    for person in people:
        person.join(30)
    assert len(released) == 3
    assert not released[0]

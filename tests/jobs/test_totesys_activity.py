"""Simulated business activity over several connections to a real Postgres."""

from random import Random
from threading import Thread

import psycopg
import pytest

from tests.jobs.totesys_rows import only_row, row_counts
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


def test_activity_counts_match_the_rows_written(totesys_database):
    """Three hundred events include every kind; none deletes."""
    before = row_counts(totesys_database)
    with psycopg.connect(totesys_database) as connection:
        connection.execute("SELECT * INTO staff_before FROM staff; SELECT * INTO address_before FROM address")
    result = activity(totesys_database, events=300, random_seed=5)
    after = row_counts(totesys_database)
    counts = result.counts
    assert counts.keys() - {"events retried after a conflict"} == {event.name for event in EVENTS}
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
    assert result.counts["events retried after a conflict"] == 3


def test_error_in_one_thread_ends_the_activity(totesys_database, monkeypatch):
    """It is raised."""
    monkeypatch.setattr(Business, "add_design", lambda _self: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        activity(totesys_database, events=100)


def test_barrier_releases_a_waiter_after_a_newer_commit_or_when_alone():
    """Or after its timeout."""
    pair = CommitBarrier(workers=2, timeout=60)
    waiter = Thread(target=pair.wait_for_newer_commit)
    waiter.start()
    while waiter.is_alive():
        pair.end(pair.begin())
    assert not CommitBarrier(workers=2, timeout=0).wait_for_newer_commit()
    assert not CommitBarrier(workers=1, timeout=60).wait_for_newer_commit()


def test_barrier_releases_the_last_waiter_when_all_wait():
    """Otherwise all would wait forever."""
    commit_barrier, released = CommitBarrier(workers=3, timeout=60), []

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

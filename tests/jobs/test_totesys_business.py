"""Single business events on totesys, each in one transaction."""

from datetime import date, timedelta
from decimal import Decimal

import psycopg
import pytest

from tests.jobs.totesys_rows import only_row, order_and_payment, row_counts
from totesys.activity import Business


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

"""The seed has the shape of the real totesys, at any size."""

from datetime import datetime

import psycopg
import pytest

from totesys import roles, schema, seed

NOW = datetime(2024, 11, 21, 18)
STATIC = {"address": 30, "currency": 3, "payment_type": 4, "department": 8, "design": 473, "staff": 20}
STATIC |= {"counterparty": 20}


@pytest.fixture(scope="module")
def query(make_module_database):
    """Return a function that queries a totesys of the real size, as of November 2024."""
    url = make_module_database(owner=roles.OWNER)
    with psycopg.connect(url) as connection:
        schema.create(connection)
    counts = seed.seed(url, now=NOW)
    assert counts == STATIC | {"sales_order": 11_187, "purchase_order": 4_649, "transaction": 15_836, "payment": 15_836}
    with psycopg.connect(url) as connection:
        yield lambda statement: connection.execute(statement).fetchall()


def test_seed_has_rows_that_are_hard_to_load(query):
    """Apostrophes, leading zeros, NULLs and a misspelling."""
    assert query("SELECT first_name, email_address FROM staff WHERE last_name = 'O''Keefe'") == [
        ("Irving", "irving.o'keefe@terrifictotes.com")
    ]
    assert query("SELECT count(*) FROM counterparty WHERE delivery_contact LIKE '%O''Hara'") == [(1,)]
    assert query("SELECT count(*) FROM department WHERE location = 'Leds'") == [(1,)]
    assert query(
        "SELECT count(*) FROM staff JOIN department USING (department_id) WHERE department_name = 'Sales'"
    ) == [(0,)]
    assert query("SELECT count(DISTINCT legal_address_id) FROM counterparty") == [(14,)]
    assert query("SELECT count(*) - count(address_line_2), count(*) - count(district) FROM address") == [(20, 14)]
    assert query("SELECT count(*) > 0 FROM address WHERE postal_code = '01138' AND phone = '0021 366201'") == [(True,)]
    countries = ("Democratic People's Republic of Korea", "Svalbard & Jan Mayen Islands")
    assert {country for (country,) in query("SELECT country FROM address")}.issuperset(countries)


def test_designs_have_twelve_names_and_matching_file_names(query):
    """In Unix folders."""
    assert query("SELECT count(DISTINCT design_name) FROM design") == [(12,)]
    pattern = r"'^[a-z]+-\d{8}-[a-z0-9]{4}\.json$'"
    assert query(
        f"""SELECT count(*) FROM design WHERE file_name ~ {pattern} AND file_location LIKE '/%'
            AND file_name LIKE lower(design_name) || '-%'"""
    ) == [(473,)]


def test_static_tables_have_the_two_timestamps_of_their_own_seed(query):
    """They were not changed since."""
    times = set()
    for table in ("address", "currency", "payment_type", "department", "staff", "counterparty"):
        times.update(query(f"SELECT DISTINCT created_at::text, last_updated::text FROM {table}"))
    assert times == {("2022-11-03 14:20:49.962",) * 2, ("2022-11-03 14:20:51.563",) * 2}


@pytest.mark.parametrize("table", ["sales_order", "purchase_order", "transaction", "payment"])
def test_business_hours_are_weekdays_from_eight_to_seven(query, table):
    """On every weekday from the opening until now."""
    assert query(
        f"""SELECT count(*) FROM {table} WHERE extract(isodow FROM created_at) > 5
            OR created_at::time NOT BETWEEN '08:00' AND '18:59:59.999' OR created_at > '{NOW}'"""
    ) == [(0,)]
    assert query(f"SELECT count(DISTINCT created_at::date), min(created_at)::date::text FROM {table}") == [
        (536, "2022-11-03")
    ]


def test_orders_have_valid_values(query):
    """The ranges and formats of the profile."""
    assert query(
        """SELECT count(*) FROM sales_order WHERE units_sold NOT BETWEEN 1000 AND 100000
           OR unit_price NOT BETWEEN 2.00 AND 4.00 OR scale(unit_price) <> 2 OR last_updated <> created_at"""
    ) == [(0,)]
    assert query(
        """SELECT count(*) FROM purchase_order WHERE item_quantity NOT BETWEEN 1 AND 1000
           OR item_unit_price NOT BETWEEN 3 AND 1000 OR item_code !~ '^[A-Z0-9]{7}$' OR last_updated <> created_at"""
    ) == [(0,)]
    for table in ("sales_order", "purchase_order"):
        valid = r"^\d{4}-\d\d-\d\d$"
        assert query(
            f"""SELECT count(*) FROM {table} WHERE agreed_delivery_date !~ '{valid}' OR agreed_payment_date !~ '{valid}'
                OR agreed_delivery_date::date <= created_at::date OR agreed_payment_date::date <= created_at::date"""
        ) == [(0,)]


def test_order_is_not_older_than_its_design(query):
    """Designs are created one by one."""
    assert query(
        """SELECT count(*) FROM sales_order o JOIN design USING (design_id)
           WHERE design.created_at > o.created_at + interval '4 hours'"""
    ) == [(0,)]


def test_some_orders_have_a_delivery_date_in_the_far_future(query):
    """Up to 649 days ahead, so the calendar must extend far beyond today."""
    far_deliveries = query(
        """SELECT count(*), max(ahead) FROM (SELECT agreed_delivery_date::date - created_at::date AS ahead
           FROM sales_order) AS delivery WHERE ahead > 7"""
    )
    assert far_deliveries[0][0] == 54
    assert 600 < far_deliveries[0][1] <= 649


def test_ids_are_not_in_exact_order_of_time(query):
    """Nor in physical order."""
    for table in ("sales_order", "purchase_order", "payment"):
        for order in ("ctid", "created_at"):
            ((decreasing, largest_step),) = query(
                f"""SELECT count(*) FILTER (WHERE step < 0), max(abs(step)) FROM (
                        SELECT {table}_id - lag({table}_id) OVER (ORDER BY {order}) AS step FROM {table}
                    ) AS steps"""
            )
            assert decreasing > 50
            assert largest_step < 20


def test_each_order_has_one_transaction_and_one_exact_payment(query):
    """Same counterparty, currency, timestamp and date; the amount exact to the penny."""
    for table, kind, amount, number in (
        ("sales_order", "SALE", "units_sold * unit_price", 1),
        ("purchase_order", "PURCHASE", "item_quantity * item_unit_price", 3),
    ):
        matching = query(
            f"""SELECT count(*), count(DISTINCT o.{table}_id), count(DISTINCT transaction_id) FROM {table} AS o
                JOIN transaction USING ({table}_id) JOIN payment USING (transaction_id)
                WHERE transaction_type = '{kind}' AND payment_amount = {amount} AND payment_type_id = {number}
                AND payment.counterparty_id = o.counterparty_id AND payment.currency_id = o.currency_id
                AND payment.created_at = o.created_at AND transaction.created_at = o.created_at
                AND transaction.last_updated = o.created_at AND payment_date = agreed_payment_date
                AND payment_amount BETWEEN 1 AND 1000000
                AND least(company_ac_number, counterparty_ac_number) BETWEEN 10000000 AND 99999999
                AND greatest(company_ac_number, counterparty_ac_number) BETWEEN 10000000 AND 99999999"""
        )
        everything = query(f"SELECT count(*), count(*), count(*) FROM {table}")
        assert matching == everything
    assert query("SELECT count(*) FROM transaction WHERE num_nonnulls(sales_order_id, purchase_order_id) <> 1") == [
        (0,)
    ]


def test_payments_are_made_in_batches_on_the_morning_of_their_due_date(query):
    """Those due on a weekend stay unpaid, later ones are open."""
    assert query(
        f"""SELECT count(*) FROM payment WHERE paid <>
            (extract(isodow FROM payment_date::date) < 6 AND payment_date::date + time '07:55:12' < '{NOW}')"""
    ) == [(0,)]
    assert query(
        """SELECT count(*) FROM payment WHERE CASE WHEN paid
           THEN date_trunc('second', last_updated) <> payment_date::date + time '07:55:11'
           ELSE last_updated <> created_at END"""
    ) == [(0,)]
    ((largest,),) = query("SELECT count(*) FROM payment WHERE paid GROUP BY last_updated ORDER BY 1 DESC LIMIT 1")
    assert 30 <= largest <= 45

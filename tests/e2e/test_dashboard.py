"""The dashboard in a real browser, with a warehouse of a few dozen rows, compared with plain SQL."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import psycopg
import pytest
from playwright.sync_api import Locator, Page, expect

from dashboards import formatting, questions, server, warehouse
from dashboards.filters import Filters
from local_aws.state import State
from ops.sandbox.settings import WAREHOUSE_READER, SandboxSettings
from tests.browsers import Window, chart_values, window
from tests.chaos.outages import wait_until
from tests.postgres_servers import PASSWORD, WAREHOUSE_OWNER, superuser
from totelake.warehouse import postgres
from totesys import roles

pytestmark = pytest.mark.browser

QUERIES = sorted(file for file in questions.QUERIES.glob("*/*.sql") if file.parent.name != "pipeline")
PAGES = ("Sales", "Purchases", "Payments", "Pipeline")
ROWS = """
INSERT INTO dim_date
    SELECT day, 1, 1, 1, 1, 'x', 'x', 1, 1 FROM generate_series(current_date - 900, current_date + 900, '1 day') AS day;
INSERT INTO dim_currency VALUES (1, 'GBP', 'Pound Sterling', 1), (2, 'USD', 'US Dollar', 1), (3, 'EUR', 'Euro', 1);
INSERT INTO dim_design VALUES (1, 'Linen', '/', 'l', 1), (2, 'Jute', '/', 'j', 1), (3, 'O''Hara 100%', '/', 'o', 1);
INSERT INTO dim_staff VALUES (1, 'Ann', 'O''Keefe', 'Production', 'Leeds', 'a@x', 1);
INSERT INTO dim_location VALUES (1, '1 Road', NULL, NULL, 'Lima', '01138', 'Peru', '1', 1);
INSERT INTO dim_counterparty SELECT n, 'Firm ' || n, '1 Road', NULL, NULL, 'Lima', '1', 'Peru', '1', 1
    FROM generate_series(1, 12) AS n;
INSERT INTO dim_transaction SELECT n, 'SALE', n, NULL, 1 FROM generate_series(1, 48) AS n;
INSERT INTO dim_payment_type VALUES (1, 'SALES_RECEIPT', 1), (2, 'SALES_REFUND', 1), (3, 'PURCHASE_PAYMENT', 1);
INSERT INTO fact_sales_order
    SELECT n, n, day, '09:00', day, '09:00', 1, 1 + n % 12, 1000 * n, 2.5 + n / 100.0, 1 + n % 3, 1 + n / 3 % 3, day,
           day + 20, 1, n, 1
    FROM (SELECT n, current_date - 9 * n AS day FROM generate_series(1, 48) AS n) AS numbered;
INSERT INTO fact_purchase_order
    SELECT n, n, day, '09:00', day, '09:00', 1, 1 + n % 12, 'ITEM', 10 * n, 70 + n, 1 + n % 3, day + 20, day, 1, n, 1
    FROM (SELECT n, current_date - 11 * n AS day FROM generate_series(1, 36) AS n) AS numbered;
INSERT INTO fact_payment
    SELECT n, n, day, '09:00', day, '09:00', n, 1 + n % 12, 1000.5 * n, 1 + n % 3, 1 + 2 * (n / 3 % 2), n % 4 > 0,
           day + 25, n, 1
    FROM (SELECT n, current_date - 7 * n AS day FROM generate_series(1, 48) AS n) AS numbered;
"""
LEDGER = "INSERT INTO load_ledger VALUES (%s, 'batch ' || %s, %s, %s, now(), '{}', 'run', 'code')"
SUM = "sum(units_sold * unit_price)"
SALES = """
    FROM fact_sales_order JOIN dim_currency USING (currency_id) JOIN dim_design USING (design_id)
    WHERE currency_code = 'GBP' AND created_date >= date_trunc('month', now()) - interval '11 months'
"""
REVENUE = f"SELECT '£' || to_char(round({SUM}), 'FM999,999,999') {SALES}"


@dataclass(frozen=True)
class Board:
    """A served dashboard: the `state` of its environment, its address, the browser window and the warehouse's `url`."""

    state: State
    address: str
    window: Window
    url: str

    @property
    def page(self) -> Page:
        """The browser's page."""
        return self.window.page

    def open(self, page: str) -> None:
        """Reload the dashboard at one of its pages and wait until it is rendered."""
        self.page.goto(self.address)
        if page != "Sales":
            self.page.get_by_role("link", name=page).click()
        expect(self.page.get_by_role("heading", name=page, exact=True, level=1)).to_be_visible()

    def card(self, name: str) -> Locator:
        """Return the card of a question once it is rendered."""
        card = self.page.locator(f".st-key-card-{name}")
        card.wait_for()
        return card

    def ask(self, query: str) -> list[tuple[object, ...]]:
        """Return the result of a query on the warehouse."""
        with psycopg.connect(self.url) as connection:
            return connection.execute(query).fetchall()

    def change(self, query: str, *values: object) -> None:
        """Execute a statement in the warehouse."""
        with psycopg.connect(self.url) as connection:
            connection.execute(query, values or None)


@pytest.fixture(scope="module")
def board(postgres_server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Board]:
    """Fill a warehouse, serve its dashboard without a local environment, and open a browser."""
    state = State(tmp_path_factory.mktemp("board"))
    names = ("postgres", roles.OWNER, roles.READER, WAREHOUSE_OWNER, WAREHOUSE_READER)
    settings = SandboxSettings(1, postgres_server.port, dict.fromkeys(names, PASSWORD))
    settings.save(state)
    with psycopg.connect(superuser(postgres_server, "postgres"), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE warehouse OWNER {WAREHOUSE_OWNER}")
        try:
            with psycopg.connect(settings.warehouse_url) as owner:
                postgres.apply(owner)
                postgres.grant(owner)
                owner.execute(ROWS)
                owner.execute(LEDGER, (1, 1, 1, 1))
            with server.serving(state) as served, window() as opened:
                yield Board(state, served.address, opened, settings.warehouse_url)
        finally:
            connection.execute("DROP DATABASE warehouse WITH (FORCE)")


@pytest.mark.parametrize("file", QUERIES, ids=lambda file: f"{file.parent.name}/{file.stem}")
def test_filter_does_not_change_the_remaining_rows(board, file):
    """The result for one currency equals its rows in the unfiltered result; filter values are parameters."""
    question = questions.read(file.parent.name, file.stem)
    everything = warehouse.answer(board.url, question, Filters())
    one = warehouse.answer(board.url, question, Filters(currencies=("EUR",)))
    none = warehouse.answer(board.url, question, Filters(currencies=("'); DROP TABLE dim_currency; --", "%s", "$1")))

    assert question.title.endswith("?")
    assert everything.empty is (question.name == "refunds")
    assert none.empty
    if "currency" in everything:
        rows = everything[everything["currency"] == "EUR"].reset_index(drop=True)
        assert one.to_dict() == rows.to_dict()


@pytest.mark.parametrize("page", PAGES)
def test_every_page_renders_without_an_error_and_fits_a_phone(board, page):
    """No console errors, no requests to other hosts, nothing wider than the viewport."""
    board.window.faults.clear()
    board.open(page)
    board.page.set_viewport_size({"width": 390, "height": 844})
    try:
        board.page.locator(".state, [data-testid=stVegaLiteChart] svg").first.wait_for()
        main = board.page.locator("[data-testid=stMain]")
        wider = main.evaluate("it => [...it.querySelectorAll('*')].filter(e => e.scrollWidth > innerWidth).length")
        assert (wider, main.evaluate("it => it.scrollWidth - it.clientWidth")) == (0, 0)
        assert board.page.get_by_text("Traceback").count() == 0
        assert board.window.faults == []
    finally:
        board.page.set_viewport_size({"width": 1440, "height": 900})


@pytest.mark.parametrize("page", PAGES[:-1])
def test_every_chart_has_its_question_its_unit_and_the_time_of_the_newest_data(board, page):
    """The question as in its file; the time is that of the last loaded snapshot."""
    board.open(page)
    question_texts = {
        questions.read(file.parent.name, file.stem).title for file in QUERIES if file.parent.name == page.lower()
    }
    taken_at = formatting.moment(warehouse.latest_batch(board.url).snapshot_taken_at)
    cards = board.page.locator("[class*=st-key-card-]:not([class*=st-key-card-tile])")
    expect(cards.filter(has=board.page.locator("svg.marks, .none"))).to_have_count(len(question_texts))

    assert {title.inner_text() for title in cards.locator("h3").all()} == question_texts
    for unit in cards.locator("h3 + .unit").all():
        expect(unit).to_have_text(re.compile(rf"^\w.+ · data of {taken_at}"))


def test_sales_page_matches_sql(board):
    """Revenue by design in one currency over the last twelve months, and its total."""
    board.open("Sales")

    by_design = {amount for (amount,) in board.ask(f"{REVENUE} GROUP BY design_name")}
    [(thousands,)] = board.ask(f"SELECT '£' || round({SUM} / 1000) || 'k' {SALES}")

    card = board.card("sales-revenue_by_design")
    expect_eventually(lambda: pounds(card, "Revenue"), by_design)
    expect(board.page.locator(".tile-value").first).to_have_text(thousands)


def test_purchases_and_payments_pages_match_sql(board):
    """For all time, so that the date filters do not matter."""
    board.open("Purchases")
    choose(board.page, "Ordered", "All time")
    spend = """
        SELECT '£' || to_char(round(sum(item_quantity * item_unit_price)), 'FM999,999,999')
        FROM fact_purchase_order JOIN dim_currency USING (currency_id) JOIN dim_counterparty USING (counterparty_id)
        WHERE currency_code = 'GBP' GROUP BY counterparty_id"""
    card = board.card("purchases-spend_by_supplier")
    expect(card.locator("svg").first).to_be_visible()
    expect_eventually(lambda: pounds(card, "Spend"), {amount for (amount,) in board.ask(spend)})

    board.open("Payments")
    choose(board.page, "Due", "All time")
    overdue = """
        SELECT '£' || to_char(round(sum(payment_amount)), 'FM999,999,999')
        FROM fact_payment WHERE currency_id = 1 AND NOT paid AND payment_date < current_date
        GROUP BY counterparty_id, payment_type_id"""
    card = board.card("payments-overdue_by_counterparty")
    expect_eventually(lambda: pounds(card, "Amount"), {amount for (amount,) in board.ask(overdue)})
    expect(board.card("payments-refunds")).to_contain_text("There are no refunds in this period.")


def test_rows_are_filtered_by_currency_and_design(board):
    """In tiles and charts; an empty result has a message."""
    board.open("Sales")
    choose(board.page, "Ordered", "All time")
    pills = board.page.get_by_test_id("stButtonGroup")
    pills.get_by_text("USD").click()
    expect(board.page.locator(".tile-label").filter(has_text="USD")).to_have_count(0)
    expect(board.page.locator(".tile-label")).to_have_count(2)
    choose(board.page, "Design", "O'Hara 100%")

    [(one,)] = board.ask(
        f"SELECT '£' || to_char(round({SUM}), 'FM999,999,999')"
        " FROM fact_sales_order WHERE currency_id = 1 AND design_id = 3"
    )
    card = board.card("sales-revenue_by_design")
    expect_eventually(lambda: pounds(card, "Revenue"), {one})

    pills.get_by_text("GBP").click()
    pills.get_by_text("EUR").click()
    expect(card).to_contain_text("No data matches these filters.")
    expect(board.page.locator(".tile-label")).to_have_count(0)


def test_new_batch_is_shown_without_a_reload(board):
    """Within seconds, in the line below the heading and in the tile."""
    board.open("Sales")
    board.page.evaluate("window.stays = true")
    board.change("UPDATE fact_sales_order SET units_sold = units_sold + 1000000 WHERE sales_order_id = 3")
    board.change(LEDGER, 2, 2, 2, 2)
    try:
        expect(board.page.locator(".newest")).to_contain_text("batch 2")
        [(millions,)] = board.ask(f"SELECT '£' || round({SUM} / 1000000, 1) || 'm' {SALES}")
        expect(board.page.locator(".tile-value").first).to_have_text(millions)
        assert board.page.evaluate("window.stays")
    finally:
        board.change("UPDATE fact_sales_order SET units_sold = units_sold - 1000000 WHERE sales_order_id = 3")
        board.change("DELETE FROM load_ledger WHERE processed_sequence = 2")


def test_empty_and_unreachable_warehouse_show_what_to_do(board):
    """The page recovers by itself."""
    board.open("Sales")
    board.change("DELETE FROM load_ledger")
    try:
        expect(board.page.locator(".state")).to_contain_text("totelake run")
    finally:
        board.change(LEDGER, 1, 1, 1, 1)
    expect(board.page.locator(".tile-value").first).to_be_visible()

    moved = board.state.world_file.rename(board.state.root / "moved.json")
    try:
        expect(board.page.locator(".state")).to_contain_text("make run")
    finally:
        moved.rename(board.state.world_file)
    expect(board.page.locator(".tile-value").first).to_be_visible()


def test_pipeline_page_without_local_aws_shows_what_to_do(board):
    """Although the warehouse may respond."""
    board.open("Pipeline")

    expect(board.page.locator(".state")).to_contain_text("totelake up")


def choose(page: Page, label: str, option: str) -> None:
    """Choose an option of a filter."""
    page.get_by_role("combobox", name=label).click()
    page.get_by_role("option", name=option).click()


def pounds(card: Locator, what: str) -> set[str]:
    """Return the amounts in pounds that the tooltips of a card's charts show as `what`."""
    return {text for text in chart_values(card, what) if text.startswith("£")}


def expect_eventually(look: Callable[[], object], expected: object) -> None:
    """Wait until `look` returns the expected value."""
    wait_until(lambda: look() == expected, seconds=30)

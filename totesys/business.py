"""Business events in totesys, one method each, on a connection whose transaction the caller controls."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any

import psycopg
from psycopg import sql

from totesys import reference
from totesys.records import TotesysTables

_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
_TOWNS = ("Port Talbot", "Lake Ozark", "East Kilbride", "O'Fallon", "Saint-Étienne", "Ynys Môn", "North Haven")
_COUNTRIES = ("Iceland", "Japan", "Lao People's Democratic Republic", "Saint Kitts & Nevis", "Peru", "Ghana")
_STREETS = ("Mill Lane", "Orchard Row", "Quay Street", "King's Parade", "Station Approach", "Castle Hill")
_FIRST_NAMES = ("Ada", "Björn", "Ciarán", "Dolores", "Esme", "Farid", "Grace", "Hugo", "Iris", "Zoë")
_LAST_NAMES = ("D'Arcy", "O'Brien", "Núñez", "Smith-Jones", "van der Berg", "Whittle", "Okafor", "Tanaka", "Lund")


@dataclass(frozen=True, slots=True)
class _OrderType:
    """A type of order: its table and columns, and the types of its transaction and payment."""

    table: str
    quantity_column: str
    price_column: str
    transaction_type: str
    payment_type_id: int


_SALE = _OrderType("sales_order", "units_sold", "unit_price", "SALE", 1)
_PURCHASE = _OrderType("purchase_order", "item_quantity", "item_unit_price", "PURCHASE", 3)


class Business:
    """Writes business events through `connection`.

    In autocommit each event is one transaction, unless one is open. Otherwise events join the open transaction of the
    connection, which the caller commits: created_at and last_updated are the start of the transaction. Values that
    the caller leaves out are drawn from `random`. Raises LookupError for a row that does not exist.
    """

    def __init__(self, connection: psycopg.Connection, random: Random | None = None) -> None:
        """Write through `connection`; draw values from `random`."""
        self.connection = connection
        self.random = random or Random()  # noqa: S311 - simulated data, not secrets
        self._records = TotesysTables(connection)

    def place_sales_order(
        self,
        *,
        units: int | None = None,
        unit_price: Decimal | None = None,
        delivery_date: date | None = None,
        payment_date: date | None = None,
        **columns: Any,
    ) -> int:
        """Insert a sales order with its transaction and payment; return its id. `columns` are those of sales_order."""
        given = {"units_sold": units, "unit_price": unit_price, **_dates(delivery_date, payment_date)}
        drawn = {
            "units_sold": self.random.randint(1000, 100_000),
            "unit_price": Decimal(self.random.randint(200, 400)).scaleb(-2),
            "design_id": self._pick("design"),
        }
        return self._place(_SALE, {**drawn, **self._terms(), **_without_none(given), **columns})

    def place_purchase_order(
        self,
        *,
        quantity: int | None = None,
        unit_price: Decimal | None = None,
        delivery_date: date | None = None,
        payment_date: date | None = None,
        **columns: Any,
    ) -> int:
        """Insert a purchase order, as `place_sales_order` does a sales order."""
        given = {"item_quantity": quantity, "item_unit_price": unit_price, **_dates(delivery_date, payment_date)}
        drawn = {
            "item_code": "".join(self.random.choices(_ALPHABET, k=7)),
            "item_quantity": self.random.randint(1, 1000),
            "item_unit_price": Decimal(self.random.randint(300, 100_000)).scaleb(-2),
        }
        return self._place(_PURCHASE, {**drawn, **self._terms(), **_without_none(given), **columns})

    def pay(self, payment_ids: Iterable[int]) -> int:
        """Mark those of the payments that are unpaid as paid, in one statement; return their number."""
        with self._records.transaction():
            # Locked in id order, so that two batches with common payments cannot deadlock.
            return self.connection.execute(
                """WITH open AS (
                       SELECT payment_id FROM payment WHERE payment_id = ANY(%s) AND NOT paid
                       ORDER BY payment_id FOR NO KEY UPDATE
                   )
                   UPDATE payment SET paid = true, last_updated = current_timestamp
                   FROM open WHERE payment.payment_id = open.payment_id""",
                [list(payment_ids)],
            ).rowcount

    def correct_sales_order(
        self,
        order_id: int,
        *,
        units: int | None = None,
        unit_price: Decimal | None = None,
        delivery_date: date | None = None,
        payment_date: date | None = None,
        stamp: bool = True,
    ) -> None:
        """Correct a sales order and its payment; with `stamp=False`, without updating `last_updated`."""
        given = {"units_sold": units, "unit_price": unit_price, **_dates(delivery_date, payment_date)}
        self._correct(_SALE, order_id, _without_none(given), stamp=stamp)

    def correct_purchase_order(
        self,
        order_id: int,
        *,
        quantity: int | None = None,
        unit_price: Decimal | None = None,
        delivery_date: date | None = None,
        payment_date: date | None = None,
        stamp: bool = True,
    ) -> None:
        """Correct a purchase order, as `correct_sales_order` does a sales order."""
        given = {"item_quantity": quantity, "item_unit_price": unit_price, **_dates(delivery_date, payment_date)}
        self._correct(_PURCHASE, order_id, _without_none(given), stamp=stamp)

    def move_address(self, address_id: int, **columns: Any) -> None:
        """Overwrite all columns of an address: with `columns`, and random values for the rest."""
        choice = self.random.choice
        drawn = {
            "address_line_1": f"{self.random.randint(1, 999)} {choice(_STREETS)}",
            "address_line_2": choice((None, "Unit 4", "c/o Reception")),
            "district": choice((None, "Avon", "Borders")),
            "city": choice(_TOWNS),
            "postal_code": f"{self.random.randint(0, 99_999):05}",
            "country": choice(_COUNTRIES),
            "phone": f"{self.random.randint(0, 9999):04} {self.random.randint(0, 999_999):06}",
        }
        self._update("address", address_id, {**drawn, **columns})

    def change_department(self, department_id: int, **columns: Any) -> None:
        """Update a department: `columns`, by default its location and manager."""
        drawn = {"location": self.random.choice(("Manchester", "Leeds", "York", None)), "manager": self._name()}
        self._update("department", department_id, columns or drawn)

    def change_staff(self, staff_id: int, **columns: Any) -> None:
        """Update a member of staff: `columns`, by default the department."""
        self._update("staff", staff_id, columns or {"department_id": self._pick("department")})

    def change_counterparty(self, counterparty_id: int, **columns: Any) -> None:
        """Update a counterparty: `columns`, by default its contacts."""
        drawn = {"commercial_contact": self._name(), "delivery_contact": self.random.choice((None, self._name()))}
        self._update("counterparty", counterparty_id, columns or drawn)

    def add_design(self, **columns: Any) -> int:
        """Insert a design and return its id."""
        name = columns.get("design_name") or self.random.choice(reference.DESIGN_NAMES)
        letters = "".join(self.random.choices(_ALPHABET.lower(), k=4))
        drawn = {
            "design_name": name,
            "file_location": self.random.choice(reference.DESIGN_FOLDERS),
            "file_name": f"{name.lower()}-{datetime.now(UTC):%Y%m%d}-{letters}.json",
        }
        with self._records.transaction():
            return self._records.insert("design", {**drawn, **columns})

    def hire(self, **columns: Any) -> int:
        """Insert a member of staff and return its id."""
        first, last = self.random.choice(_FIRST_NAMES), self.random.choice(_LAST_NAMES)
        row = {"first_name": first, "last_name": last, "department_id": self._pick("department"), **columns}
        row.setdefault("email_address", reference.email(row["first_name"], row["last_name"]))
        with self._records.transaction():
            return self._records.insert("staff", row)

    def _place(self, order_type: _OrderType, order: dict[str, Any]) -> int:
        """Insert an order, its transaction and its unpaid payment; return the order's id."""
        with self._records.transaction():
            order_id = self._records.insert(order_type.table, order)
            transaction = {"transaction_type": order_type.transaction_type, f"{order_type.table}_id": order_id}
            payment = {
                "transaction_id": self._records.insert("transaction", transaction),
                "counterparty_id": order["counterparty_id"],
                "payment_amount": order[order_type.quantity_column] * order[order_type.price_column],
                "currency_id": order["currency_id"],
                "payment_type_id": order_type.payment_type_id,
                "paid": False,
                "payment_date": order["agreed_payment_date"],
                "company_ac_number": self.random.randint(10_000_000, 99_999_999),
                "counterparty_ac_number": self.random.randint(10_000_000, 99_999_999),
            }
            self._records.insert("payment", payment)
        return order_id

    def _correct(self, order_type: _OrderType, order_id: int, columns: dict[str, Any], *, stamp: bool) -> None:
        """Update an order, then its payment: always in this order, so that two corrections cannot deadlock."""
        with self._records.transaction():
            self._records.update(order_type.table, order_id, columns, stamp=stamp)
            statement = sql.SQL(
                """SELECT payment_id, {quantity} * {price}, agreed_payment_date
                   FROM {table} JOIN transaction USING ({key}) JOIN payment USING (transaction_id) WHERE {key} = %s"""
            ).format(
                quantity=sql.Identifier(order_type.quantity_column),
                price=sql.Identifier(order_type.price_column),
                table=sql.Identifier(order_type.table),
                key=sql.Identifier(f"{order_type.table}_id"),
            )
            for payment_id, amount, due in self.connection.execute(statement, [order_id]).fetchall():
                if columns.keys() - {"agreed_delivery_date"}:
                    self._records.update(
                        "payment", payment_id, {"payment_amount": amount, "payment_date": due}, stamp=stamp
                    )

    def _update(self, table: str, row_id: int, columns: dict[str, Any]) -> None:
        with self._records.transaction():
            self._records.update(table, row_id, columns)

    def _terms(self) -> dict[str, Any]:
        """Draw the columns that both types of order share."""
        today, days = datetime.now(UTC).date(), self.random.randint
        return {
            "staff_id": self._pick("staff"),
            "counterparty_id": self._pick("counterparty"),
            "currency_id": self._pick("currency"),
            "agreed_delivery_location_id": self._pick("address"),
            **_dates(today + timedelta(days=days(1, 7)), today + timedelta(days=days(1, 7))),
        }

    def _pick(self, table: str) -> int:
        return self._records.pick(table, self.random)

    def _name(self) -> str:
        return f"{self.random.choice(_FIRST_NAMES)} {self.random.choice(_LAST_NAMES)}"


def _dates(delivery: date | None, payment: date | None) -> dict[str, Any]:
    """Return the date columns of an order, as text: totesys stores them so."""
    return {
        "agreed_delivery_date": delivery and delivery.isoformat(),
        "agreed_payment_date": payment and payment.isoformat(),
    }


def _without_none(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}

"""What people do in totesys, one event a method, on a connection whose transaction is the caller's to end."""

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
class _Kind:
    """A kind of order: where it stands, and what its transaction and payment are called."""

    table: str
    quantity: str
    price: str
    transaction_type: str
    payment_type_id: int


_SALE = _Kind("sales_order", "units_sold", "unit_price", "SALE", 1)
_PURCHASE = _Kind("purchase_order", "item_quantity", "item_unit_price", "PURCHASE", 3)


class Business:
    """A member of the business at work on `connection`.

    In autocommit every event is one transaction, unless one was begun. Otherwise events join the transaction of the
    connection, which the caller commits as late as it likes: both timestamps are those of the transaction's begin.
    What a caller does not say is drawn from `random`. An event on a row that is not there raises LookupError.
    """

    def __init__(self, connection: psycopg.Connection, random: Random | None = None) -> None:
        """Work on `connection` with the luck of `random`."""
        self.connection = connection
        self.random = random or Random()  # noqa: S311 - made-up data, not secrets
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
        """Place a sales order with its transaction and payment, and return its id; `columns` are sales_order's own."""
        said = {"units_sold": units, "unit_price": unit_price, **_dates(delivery_date, payment_date)}
        drawn = {
            "units_sold": self.random.randint(1000, 100_000),
            "unit_price": Decimal(self.random.randint(200, 400)).scaleb(-2),
            "design_id": self._pick("design"),
        }
        return self._place(_SALE, {**drawn, **self._terms(), **_given(said), **columns})

    def place_purchase_order(
        self,
        *,
        quantity: int | None = None,
        unit_price: Decimal | None = None,
        delivery_date: date | None = None,
        payment_date: date | None = None,
        **columns: Any,
    ) -> int:
        """Place a purchase order, as `place_sales_order` does for a sale."""
        said = {"item_quantity": quantity, "item_unit_price": unit_price, **_dates(delivery_date, payment_date)}
        drawn = {
            "item_code": "".join(self.random.choices(_ALPHABET, k=7)),
            "item_quantity": self.random.randint(1, 1000),
            "item_unit_price": Decimal(self.random.randint(300, 100_000)).scaleb(-2),
        }
        return self._place(_PURCHASE, {**drawn, **self._terms(), **_given(said), **columns})

    def pay(self, payment_ids: Iterable[int]) -> int:
        """Make payments that are still open, in one statement and so one millisecond; return how many there were."""
        with self._records.transaction():
            # Locked in the order of their ids, so that two batches with common payments cannot lock each other out.
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
        """Correct what is given of a sales order; its payment follows. Without `stamp`, `last_updated` is forgotten."""
        said = {"units_sold": units, "unit_price": unit_price, **_dates(delivery_date, payment_date)}
        self._correct(_SALE, order_id, _given(said), stamp=stamp)

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
        """Correct a purchase order, as `correct_sales_order` does a sale."""
        said = {"item_quantity": quantity, "item_unit_price": unit_price, **_dates(delivery_date, payment_date)}
        self._correct(_PURCHASE, order_id, _given(said), stamp=stamp)

    def move_address(self, address_id: int, **columns: Any) -> None:
        """Replace an address by a new one, which `columns` may say in part."""
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
        self._change("address", address_id, {**drawn, **columns})

    def change_department(self, department_id: int, **columns: Any) -> None:
        """Give a department another place and manager, or what `columns` say."""
        drawn = {"location": self.random.choice(("Manchester", "Leeds", "York", None)), "manager": self._name()}
        self._change("department", department_id, columns or drawn)

    def change_staff(self, staff_id: int, **columns: Any) -> None:
        """Move a member of staff to some department, or change what `columns` say."""
        self._change("staff", staff_id, columns or {"department_id": self._pick("department")})

    def change_counterparty(self, counterparty_id: int, **columns: Any) -> None:
        """Give a counterparty new contacts, or what `columns` say."""
        drawn = {"commercial_contact": self._name(), "delivery_contact": self.random.choice((None, self._name()))}
        self._change("counterparty", counterparty_id, columns or drawn)

    def add_design(self, **columns: Any) -> int:
        """Bring out a new design and return its id."""
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
        """Take on a new member of staff and return its id."""
        first, last = self.random.choice(_FIRST_NAMES), self.random.choice(_LAST_NAMES)
        row = {"first_name": first, "last_name": last, "department_id": self._pick("department"), **columns}
        row.setdefault("email_address", reference.email(row["first_name"], row["last_name"]))
        with self._records.transaction():
            return self._records.insert("staff", row)

    def _place(self, kind: _Kind, order: dict[str, Any]) -> int:
        """Insert an order, its transaction and its payment, to be made on the day that was agreed."""
        with self._records.transaction():
            number = self._records.insert(kind.table, order)
            link = {"transaction_type": kind.transaction_type, f"{kind.table}_id": number}
            payment = {
                "transaction_id": self._records.insert("transaction", link),
                "counterparty_id": order["counterparty_id"],
                "payment_amount": order[kind.quantity] * order[kind.price],
                "currency_id": order["currency_id"],
                "payment_type_id": kind.payment_type_id,
                "paid": False,
                "payment_date": order["agreed_payment_date"],
                "company_ac_number": self.random.randint(10_000_000, 99_999_999),
                "counterparty_ac_number": self.random.randint(10_000_000, 99_999_999),
            }
            self._records.insert("payment", payment)
        return number

    def _correct(self, kind: _Kind, number: int, columns: dict[str, Any], *, stamp: bool) -> None:
        """Change an order, then its payment: always so, lest two corrections lock each other out."""
        with self._records.transaction():
            self._records.update(kind.table, number, columns, stamp=stamp)
            statement = sql.SQL(
                """SELECT payment_id, {quantity} * {price}, agreed_payment_date
                   FROM {table} JOIN transaction USING ({key}) JOIN payment USING (transaction_id) WHERE {key} = %s"""
            ).format(
                quantity=sql.Identifier(kind.quantity),
                price=sql.Identifier(kind.price),
                table=sql.Identifier(kind.table),
                key=sql.Identifier(f"{kind.table}_id"),
            )
            for payment, amount, due in self.connection.execute(statement, [number]).fetchall():
                if columns.keys() - {"agreed_delivery_date"}:
                    self._records.update(
                        "payment", payment, {"payment_amount": amount, "payment_date": due}, stamp=stamp
                    )

    def _change(self, table: str, number: int, columns: dict[str, Any]) -> None:
        with self._records.transaction():
            self._records.update(table, number, columns)

    def _terms(self) -> dict[str, Any]:
        """Draw what both kinds of order agree upon."""
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
    """Return the dates as totesys keeps them: text."""
    return {
        "agreed_delivery_date": delivery and delivery.isoformat(),
        "agreed_payment_date": payment and payment.isoformat(),
    }


def _given(said: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in said.items() if value is not None}

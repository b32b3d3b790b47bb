"""What has to be in the warehouse, computed from totesys by plain SQL, and what differs from it."""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from totelake.tables import SOURCE_TABLES, STAR_TABLES, StarTable

HERE = Path(__file__).parent
_STAMPS = "r.created_at::date, r.created_at::time(3), r.last_updated::date, r.last_updated::time(3)"
_VERSIONS = """
    SELECT {columns}, v.batch, v.deleted_at
    FROM version AS v CROSS JOIN LATERAL jsonb_populate_record(NULL::public.{table}, v.values) AS r
    WHERE v.tbl = '{table}'
"""
_FACTS = {
    "fact_sales_order": (
        "sales_order",
        (
            f"r.sales_order_id, {_STAMPS}, r.staff_id, r.counterparty_id, r.units_sold, r.unit_price, r.currency_id,"
            " r.design_id, r.agreed_payment_date::date, r.agreed_delivery_date::date, r.agreed_delivery_location_id"
        ),
    ),
    "fact_purchase_order": (
        "purchase_order",
        (
            f"r.purchase_order_id, {_STAMPS}, r.staff_id, r.counterparty_id, r.item_code, r.item_quantity,"
            " r.item_unit_price, r.currency_id, r.agreed_delivery_date::date, r.agreed_payment_date::date,"
            " r.agreed_delivery_location_id"
        ),
    ),
    "fact_payment": (
        "payment",
        (
            f"r.payment_id, {_STAMPS}, r.transaction_id, r.counterparty_id, r.payment_amount, r.currency_id,"
            " r.payment_type_id, r.paid, r.payment_date::date"
        ),
    ),
}
_CURRENCIES = "(VALUES ('GBP', 'Pound Sterling'), ('USD', 'US Dollar'), ('EUR', 'Euro'), ('CHF', 'Swiss Franc'))"
_DIMENSIONS = {
    "dim_staff": (
        "staff",
        (
            "SELECT s.staff_id, s.first_name, s.last_name, d.department_name, coalesce(d.location, 'Undefined'),"
            " s.email_address FROM {staff} AS s JOIN {department} AS d USING (department_id)"
        ),
    ),
    "dim_location": (
        "address",
        (
            "SELECT address_id, address_line_1, address_line_2, district, city, postal_code, country, phone"
            " FROM {address} AS a"
        ),
    ),
    "dim_currency": (
        "currency",
        (
            f"SELECT c.currency_id, c.currency_code, n.name FROM {{currency}} AS c JOIN {_CURRENCIES} AS n (code, name)"
            " ON n.code = c.currency_code"
        ),
    ),
    "dim_design": ("design", "SELECT design_id, design_name, file_location, file_name FROM {design} AS d"),
    "dim_counterparty": (
        "counterparty",
        (
            "SELECT c.counterparty_id, c.counterparty_legal_name, a.address_line_1, a.address_line_2, a.district,"
            " a.city, a.postal_code, a.country, a.phone"
            " FROM {counterparty} AS c JOIN {address} AS a ON a.address_id = c.legal_address_id"
        ),
    ),
    "dim_transaction": (
        "transaction",
        ("SELECT transaction_id, transaction_type, sales_order_id, purchase_order_id FROM {transaction} AS t"),
    ),
    "dim_payment_type": ("payment_type", "SELECT payment_type_id, payment_type_name FROM {payment_type} AS p"),
}
_GONE = """
    SELECT DISTINCT v.key FROM version AS v
    WHERE v.tbl = %s AND NOT EXISTS (SELECT FROM present AS p WHERE p.tbl = v.tbl AND p.key = v.key)
"""

type Rows = Counter[tuple[Any, ...]]
type Batch = tuple[int, str, str]


def keep_trail(connection: psycopg.Connection) -> None:
    """Make totesys keep the trail, beginning with the rows that it has."""
    connection.execute((HERE / "audit_trail.sql").read_bytes())
    for name in SOURCE_TABLES:
        table, key = sql.Identifier("public", name), sql.Identifier(f"{name}_id")
        connection.execute(
            sql.SQL(
                "INSERT INTO trail.entry (tbl, key, gone, values) SELECT {}, {}, false, to_jsonb(t) FROM {} AS t"
            ).format(sql.Literal(name), key, table)
        )
        connection.execute(
            sql.SQL(
                "CREATE TRIGGER trail AFTER INSERT OR UPDATE OR DELETE ON {} FOR EACH ROW EXECUTE FUNCTION trail.keep()"
            ).format(table)
        )


def expected(connection: psycopg.Connection, batches: Iterable[Batch]) -> dict[str, Rows]:
    """Return the rows that the warehouse must hold after `batches`, each a number, a snapshot and its time.

    Of a dimension the rows that are there, and under the name `dim_….gone` the keys of those that are deleted.
    """
    with connection.transaction(force_rollback=True):
        connection.execute("CREATE TEMP TABLE batches (batch int, snapshot pg_snapshot, taken_at timestamp)")
        with connection.cursor() as cursor:
            cursor.executemany("INSERT INTO batches VALUES (%s, %s, %s)", list(batches))
        connection.execute((HERE / "oracle.sql").read_bytes())
        rows = {}
        for name, (table, columns) in _FACTS.items():
            rows[name] = _rows(connection, _VERSIONS.format(table=table, columns=columns))
        for name, (table, statement) in _DIMENSIONS.items():
            rows[name] = _rows(connection, statement.format_map(_Present()))
            rows[f"{name}.gone"] = _rows(connection, _GONE, (table,))
        return rows


class _Present(dict[str, str]):
    """Names each source table as the rows of it that are there."""

    def __missing__(self, table: str) -> str:
        return (
            f"(SELECT r.* FROM present AS p CROSS JOIN LATERAL jsonb_populate_record(NULL::public.{table}, p.values)"
            f" AS r WHERE p.tbl = '{table}')"
        )


def held(connection: psycopg.Connection) -> dict[str, Rows]:
    """Return the rows that the warehouse holds, as `expected` has them."""
    rows = {}
    for name in _FACTS:
        rows[name] = _rows(connection, f"SELECT {_columns(STAR_TABLES[name])} FROM {name}")
    for name in _DIMENSIONS:
        table = STAR_TABLES[name]
        described = ", ".join(column.name for column in table.columns)
        rows[name] = _rows(connection, f"SELECT {described} FROM current_{name}")
        rows[f"{name}.gone"] = _rows(connection, f"SELECT {table.key[0]} FROM {name} WHERE _deleted_at IS NOT NULL")
    return rows


def differences(expected: dict[str, Rows], held: dict[str, Rows]) -> list[str]:
    """Return a line for every row that is missing from the warehouse, or is there and must not be."""
    lines = []
    for name, rows in expected.items():
        lines += [f"{name}: missing {row}" for row in (rows - held[name]).elements()]
        lines += [f"{name}: must not be there {row}" for row in (held[name] - rows).elements()]
    return lines


def _columns(table: StarTable) -> str:
    return ", ".join(column.name for column in table.stored_columns if column.name != "_source_version")


def _rows(connection: psycopg.Connection, statement: str, parameters: tuple[Any, ...] = ()) -> Rows:
    return Counter(connection.execute(statement.encode(), parameters or None).fetchall())

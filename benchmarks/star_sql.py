"""The star schemas as plain SQL on a copy of totesys in the schema `raw`, without versions, rules or history.

The statements are written apart from the transforms, so that a peer that runs them checks totelake's rows too. A peer
may have read a number as text.
"""

from collections.abc import Mapping
from types import MappingProxyType

from totelake.tables import STAR_TABLES, SourceTable, StarTable
from totelake.tables.stars import FIRST_DAY, LAST_DAY
from totelake.warehouse.postgres.definition import foreign_keys

SCHEMA = "star"
_EXACT = {"numeric": "numeric(38,18)"}
_STAMPS = """
    created_at::date AS created_date, date_trunc('milliseconds', created_at)::time AS created_time,
    last_updated::date AS last_updated_date, date_trunc('milliseconds', last_updated)::time AS last_updated_time
"""
_DAYS = f"SELECT unnest(generate_series(DATE '{FIRST_DAY}', DATE '{LAST_DAY}', INTERVAL 1 DAY))::date AS date_id"
_CALENDAR = """
    SELECT date_id, extract(year FROM date_id)::int AS year, extract(month FROM date_id)::int AS month,
        extract(day FROM date_id)::int AS day, extract(isodow FROM date_id)::int AS day_of_week,
        {day_name} AS day_name, {month_name} AS month_name, extract(quarter FROM date_id)::int AS quarter
    FROM ({days}) AS days
"""
_IN_POSTGRES = {
    "days": _DAYS.replace("unnest(", "(").replace("INTERVAL 1 DAY", "INTERVAL '1 day'"),
    "day_name": "to_char(date_id, 'FMDay')",
    "month_name": "to_char(date_id, 'FMMonth')",
}
_IN_DUCKDB = {"days": _DAYS, "day_name": "dayname(date_id)", "month_name": "monthname(date_id)"}
_SELECTS = MappingProxyType(
    {
        "dim_staff": """
            SELECT staff_id, first_name, last_name, department_name, coalesce(location, 'Undefined') AS location,
                email_address
            FROM raw.staff JOIN raw.department USING (department_id)
        """,
        "dim_location": """
            SELECT address_id AS location_id, address_line_1, address_line_2, district, city, postal_code, country,
                phone
            FROM raw.address
        """,
        "dim_currency": """
            SELECT currency_id, currency_code, name AS currency_name
            FROM raw.currency JOIN raw.iso_4217 ON code = upper(currency_code)
        """,
        "dim_design": "SELECT design_id, design_name, file_location, file_name FROM raw.design",
        "dim_counterparty": """
            SELECT counterparty_id, counterparty_legal_name,
                address_line_1 AS counterparty_legal_address_line_1,
                address_line_2 AS counterparty_legal_address_line_2, district AS counterparty_legal_district,
                city AS counterparty_legal_city, postal_code AS counterparty_legal_postal_code,
                country AS counterparty_legal_country, phone AS counterparty_legal_phone_number
            FROM raw.counterparty JOIN raw.address ON address_id = legal_address_id
        """,
        "dim_transaction": """
            SELECT transaction_id, transaction_type, sales_order_id, purchase_order_id FROM raw.transaction
        """,
        "dim_payment_type": "SELECT payment_type_id, payment_type_name FROM raw.payment_type",
        "fact_sales_order": f"""
            SELECT sales_order_id, {_STAMPS}, staff_id AS sales_staff_id, counterparty_id, units_sold,
                unit_price::numeric(38,18) AS unit_price,
                currency_id, design_id, agreed_payment_date::date AS agreed_payment_date,
                agreed_delivery_date::date AS agreed_delivery_date, agreed_delivery_location_id
            FROM raw.sales_order
        """,
        "fact_purchase_order": f"""
            SELECT purchase_order_id, {_STAMPS}, staff_id, counterparty_id, item_code, item_quantity,
                item_unit_price::numeric(38,18) AS item_unit_price,
                currency_id, agreed_delivery_date::date AS agreed_delivery_date,
                agreed_payment_date::date AS agreed_payment_date, agreed_delivery_location_id
            FROM raw.purchase_order
        """,
        "fact_payment": f"""
            SELECT payment_id, {_STAMPS}, transaction_id, counterparty_id,
                payment_amount::numeric(38,18) AS payment_amount, currency_id,
                payment_type_id, paid, payment_date::date AS payment_date
            FROM raw.payment
        """,
    }
)


def selects(*, duckdb: bool = False) -> dict[str, str]:
    """Return the query for the rows of each star table, for Postgres or DuckDB."""
    return {"dim_date": _CALENDAR.format_map(_IN_DUCKDB if duckdb else _IN_POSTGRES), **_SELECTS}


def create_tables() -> list[str]:
    """Return the statements that create the star tables in Postgres, without keys."""
    return [
        f"CREATE TABLE {SCHEMA}.{table.name} ({', '.join(_definitions(table).values())})"
        for table in STAR_TABLES.values()
    ]


def add_keys() -> list[str]:
    """Return the statements that add the primary keys, and then the foreign keys, to the tables in Postgres."""
    primary = [
        f"ALTER TABLE {SCHEMA}.{table.name} ADD PRIMARY KEY ({', '.join(table.natural_key)})"
        for table in STAR_TABLES.values()
    ]
    foreign = [
        f"ALTER TABLE {SCHEMA}.{key.table} ADD FOREIGN KEY ({key.column})"
        f" REFERENCES {SCHEMA}.{key.dimension} ({', '.join(key.key)})"
        for key in foreign_keys()
    ]
    return primary + foreign


def digest(table: SourceTable | StarTable, relation: str) -> str:
    """Return the query for the number of rows of `relation`, which has the columns of `table`, and a hash of them."""
    columns = ", ".join(
        f"trim_scale({column.name}) AS {column.name}" if column.type.postgres.startswith("numeric") else column.name
        for column in table.columns
    )
    return f"SELECT count(*), sum(hashtextextended(r::text, 0)::numeric) FROM (SELECT {columns} FROM {relation}) AS r"


def _definitions(table: StarTable) -> Mapping[str, str]:
    """Return the definition of each column, by name; DuckDB would write a numeric without precision as a float."""
    types = {column.name: column.type.postgres for column in table.columns}
    return {
        column.name: f"{column.name} {_EXACT.get(types[column.name], types[column.name])}"
        f"{'' if column.nullable else ' NOT NULL'}"
        for column in table.columns
    }

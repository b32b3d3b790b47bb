"""Inputs from public bug reports and from exploratory tests, each with its expected outcome.

An input changes totesys or the warehouse between two runs. Accepted: the lake, or the warehouse, then equals plain
SQL on totesys. Rejected: the error names it, nothing is committed, and the next run succeeds once it is undone.
Quarantined: the row is in quarantine with the rule that it breaks.
"""

from dataclasses import dataclass

from totelake.runtime.errors import (
    DatabaseReadOnlyError,
    DuplicateKeyError,
    SourceSchemaError,
    SourceValueError,
    UnreadableTableError,
    WarehouseTablesError,
)

SUPERUSER = "postgres"


@dataclass(frozen=True)
class SourceInput:
    """Statements run on a table of totesys: `before` one batch, then each of `change`, with a batch after each.

    `rejection` is the error of the first step's batch and a pattern of its message. `undo` follows it, or comes last.
    """

    name: str
    table: str
    change: tuple[str, ...]
    before: tuple[str, ...] = ()
    rejection: tuple[type[Exception], str] | None = None
    undo: str = ""

    def __str__(self) -> str:
        """Return the test id."""
        return self.name


def accepted(name, table, *change, before=(), undo=""):
    """Return an input that is ingested exactly, after each step of the change."""
    return SourceInput(name, table, change, before, None, undo)


def rejected(name, table, change, *, error, undo, before=()):
    """Return an input that fails the ingest with the error until it is undone."""
    return SourceInput(name, table, (change,), before, error, undo)


ARCHIVE = (
    "DROP TABLE IF EXISTS payment_type_archive",
    "CREATE TABLE payment_type_archive (LIKE payment_type INCLUDING ALL)",
    "INSERT INTO payment_type_archive (payment_type_id, payment_type_name) VALUES (9, 'SALES_RECEIPT')",
    "GRANT SELECT ON payment_type_archive TO totelake_reader",
)
COPY_OF_ORDERS = (
    "CREATE TABLE copy_of_orders (LIKE sales_order INCLUDING ALL)",
    "INSERT INTO copy_of_orders SELECT * FROM sales_order",
    "UPDATE copy_of_orders SET unit_price = unit_price + 1",
    "GRANT SELECT ON copy_of_orders TO totelake_reader",
)
SWAP_DATES = """
    ALTER TABLE sales_order RENAME COLUMN agreed_delivery_date TO kept;
    ALTER TABLE sales_order RENAME COLUMN agreed_payment_date TO agreed_delivery_date;
    ALTER TABLE sales_order RENAME COLUMN kept TO agreed_payment_date
"""
HIDE_77 = """
    CREATE POLICY p ON sales_order FOR SELECT TO totelake_reader USING (sales_order_id <> 77);
    ALTER TABLE sales_order ENABLE ROW LEVEL SECURITY
"""
AS_VIEW = "ALTER TABLE design RENAME TO designs; CREATE VIEW design AS SELECT * FROM designs;"
AS_FOREIGN_TABLE = """
    ALTER TABLE design RENAME TO designs;
    CREATE FOREIGN DATA WRAPPER elsewhere; CREATE SERVER elsewhere FOREIGN DATA WRAPPER elsewhere;
    CREATE FOREIGN TABLE design (design_id int) SERVER elsewhere
"""
AMOUNT = "ALTER TABLE payment ALTER payment_amount TYPE"


def set_timestamp(value):
    """Return the statement that sets a payment's timestamp."""
    return f"UPDATE payment SET last_updated = '{value}' WHERE payment_id = 7"


RESET_TIMESTAMP = set_timestamp("2024-11-21 09:00:00.123")

UNDECLARED_VALUES = {
    "numeric": "1.1234567890123456789012345",
    "numeric(20,15)": "'NaN'",
    "numeric(30,0)": "1e25",
    "date": "'infinity'",
    "time": "'24:00'",
    "timetz": "'23:59:59.123456+14'",
    "timestamp": "'0044-03-15 12:00:00 BC'",
    "timestamptz": "'1582-10-10 12:00:00+00'",
    "interval": "'1 year 2 days 03:04:05.678'",
    "int[]": "'{{1,2},{3,NULL}}'",
    "money[]": "'{1.50,2.25}'::text[]::money[]",
    "double precision": "0.1::float8 + 0.2::float8",
    "bytea": r"'\xdeadbeef'",
    "jsonb": """'{"a": [1, "ü"]}'""",
    "xid": "'4294967295'",
}

INPUTS = [
    # Duplicates of a declared key that totesys does not enforce
    rejected(
        "a child repeats a key",
        "payment_type",
        "ALTER TABLE payment_type_archive INHERIT payment_type;"
        " INSERT INTO payment_type (payment_type_id, payment_type_name) VALUES (9, 'SALES_RECEIPT')",
        before=ARCHIVE,
        error=(DuplicateKeyError, r"payment_type: payment_type_id is declared as the key, .*once: 9\. .*_archive"),
        undo="DELETE FROM ONLY payment_type WHERE payment_type_id = 9",
    ),
    rejected(
        "a child of the same name in another schema repeats a key",
        "payment_type",
        "CREATE SCHEMA archive; CREATE TABLE archive.payment_type () INHERITS (public.payment_type);"
        " INSERT INTO archive.payment_type SELECT * FROM ONLY public.payment_type WHERE payment_type_id = 2",
        error=(DuplicateKeyError, r"payment_type: payment_type_id .*once: 2\. .* archive\.payment_type "),
        undo="DROP SCHEMA archive CASCADE",
    ),
    rejected(
        "a key without its constraint occurs twice",
        "design",
        "ALTER TABLE design DROP CONSTRAINT IF EXISTS design_pkey CASCADE;"
        " INSERT INTO design SELECT * FROM design WHERE design_id IN (3, 4)",
        error=(DuplicateKeyError, r"totesys\.design: design_id .* 2 of its values .*: 3, 4\."),
        undo="DELETE FROM design AS one USING design AS other WHERE one.design_id = other.design_id"
        " AND one.ctid > other.ctid",
    ),
    rejected(
        "a key is NULL",
        "design",
        "ALTER TABLE design DROP CONSTRAINT IF EXISTS design_pkey CASCADE;"
        " ALTER TABLE design ALTER design_id DROP IDENTITY, ALTER design_id DROP NOT NULL;"
        " INSERT INTO design (design_name, file_location, file_name) VALUES ('a', 'b', 'c')",
        error=(DuplicateKeyError, r"totesys\.design: design_id .* 1 of its values .*: NULL\."),
        undo="DELETE FROM design WHERE design_id IS NULL",
    ),
    rejected(
        "a key is NULL under a constraint that is not valid",
        "design",
        "ALTER TABLE design ADD CONSTRAINT one UNIQUE (design_id);"
        " INSERT INTO design (design_name, file_location, file_name) VALUES ('a', 'b', 'c');"
        " ALTER TABLE design ADD CONSTRAINT there NOT NULL design_id NOT VALID",
        error=(DuplicateKeyError, r"totesys\.design: design_id .*: NULL\."),
        undo="DELETE FROM design WHERE design_id IS NULL",
    ),
    # Rows that change without a transaction that writes them
    rejected(
        "row security hides a row",
        "sales_order",
        HIDE_77,
        error=(UnreadableTableError, "sales_order: row security applies to the role totelake_reader"),
        undo="ALTER TABLE sales_order DISABLE ROW LEVEL SECURITY",
    ),
    rejected(
        "row security hides all rows",
        "design",
        "ALTER TABLE design ENABLE ROW LEVEL SECURITY",
        error=(UnreadableTableError, r"design: row security .*BYPASSRLS"),
        undo="ALTER TABLE design DISABLE ROW LEVEL SECURITY",
    ),
    accepted(
        "a copy takes the name of the table",
        "sales_order",
        "ALTER TABLE sales_order RENAME TO orders; ALTER TABLE copy_of_orders RENAME TO sales_order",
        before=COPY_OF_ORDERS,
    ),
    accepted(
        "old rows are added by INHERIT",
        "payment_type",
        "ALTER TABLE payment_type_archive INHERIT payment_type",
        before=ARCHIVE,
    ),
    accepted(
        "rows are removed by NO INHERIT and added again by INHERIT",
        "payment_type",
        "ALTER TABLE payment_type_archive NO INHERIT payment_type",
        "ALTER TABLE payment_type_archive INHERIT payment_type",
        before=(*ARCHIVE, "ALTER TABLE payment_type_archive INHERIT payment_type"),
    ),
    accepted(
        "a column is dropped and added with a default",
        "department",
        "ALTER TABLE department DROP COLUMN location;"
        " ALTER TABLE department ADD COLUMN location varchar DEFAULT 'Leeds'",
    ),
    accepted("two columns swap their names", "sales_order", SWAP_DATES),
    rejected(
        "a view takes the name of the table",
        "design",
        AS_VIEW,
        error=(UnreadableTableError, r"totesys\.design: design is a view"),
        undo="DROP VIEW design; ALTER TABLE designs RENAME TO design",
    ),
    rejected(
        "a materialized view takes the name of the table",
        "design",
        AS_VIEW.replace("VIEW", "MATERIALIZED VIEW"),
        error=(UnreadableTableError, r"totesys\.design: design is a materialized view"),
        undo="DROP MATERIALIZED VIEW design; ALTER TABLE designs RENAME TO design",
    ),
    rejected(
        "a foreign table takes the name of the table",
        "design",
        AS_FOREIGN_TABLE,
        error=(UnreadableTableError, r"totesys\.design: design is a foreign table"),
        undo="DROP FOREIGN TABLE design; ALTER TABLE designs RENAME TO design",
    ),
    # Money
    *(
        accepted(f"money in numeric({bounds})", "payment", f"{AMOUNT} numeric({bounds})")
        for bounds in ("50,10", "65,30", "1000,2", "40,18", "5,-2")
    ),
    rejected(
        "money with nineteen digits after the point",
        "payment",
        f"{AMOUNT} numeric; UPDATE payment SET payment_amount = 1.1234567890123456789 WHERE payment_id = 7",
        error=(SourceValueError, r"payment: 1 changed rows .* in column payment_amount .* after the point: 7\."),
        undo="UPDATE payment SET payment_amount = 1.1 WHERE payment_id = 7",
    ),
    # Times
    *(
        accepted(f"the time {time}", "payment", set_timestamp(time))
        for time in (
            "1582-10-10 12:00:00.123",
            "0001-01-01 00:00:00",
            "1500-02-28 23:59:59.999",
            "9999-12-31 23:59:59.999",
        )
    ),
    *(
        rejected(
            f"the time {time}",
            "payment",
            set_timestamp(time),
            error=(SourceValueError, r"payment: 1 changed rows .* in column last_updated .* to the year 9999: 7\."),
            undo=RESET_TIMESTAMP,
        )
        for time in ("0044-03-15 12:00:00 BC", "12026-01-01 00:00:00", "infinity", "-infinity")
    ),
    # Columns that are not declared
    *(
        rejected(
            f"an undeclared column {column}",
            "payment",
            f'ALTER TABLE payment ADD COLUMN "{column}" int',
            error=(SourceSchemaError, f"totesys.payment: column {column} is new and {reason}"),
            undo=f'ALTER TABLE payment DROP COLUMN "{column}"',
        )
        for column, reason in {
            "Paid": "differs from another column only in upper and lower case",
            "_OP": "has the name of a column that the lake adds",
        }.items()
    ),
    accepted(
        "an undeclared column with special characters in its name",
        "department",
        """ALTER TABLE department ADD COLUMN "a.b `{}` %s ?" int DEFAULT 1""",
        "UPDATE department SET manager = 'A. Other' WHERE department_id = 1",
        "DELETE FROM department WHERE department_id NOT IN (SELECT department_id FROM staff)",
        "UPDATE department SET manager = 'No Other'; ALTER TABLE department ADD COLUMN other int",
    ),
    # Settings of the role and of the database
    *(
        accepted(f"the setting {setting}", "payment", f"{{role}} SET {setting}", RESET_TIMESTAMP)
        for setting in (
            "client_encoding = 'LATIN1'",
            "quote_all_identifiers = on",
            "transaction_timeout = '50ms'",
            "idle_in_transaction_session_timeout = '50ms'",
            "statement_timeout = '1ms'",
            "DateStyle = 'German'",
            "TimeZone = 'Pacific/Kiritimati'",
            "search_path = 'nowhere'",
        )
    ),
]


@dataclass(frozen=True)
class StarInput:
    """A change to totesys or to the warehouse before a run of all stages.

    `rejection` is the error of the load and a pattern of its message; `undo` follows, then a load, with `rebuild` where
    only that restores the rows. `quarantined` is the table, key, rule and column of the row quarantined until the undo.
    """

    name: str
    change: str
    in_warehouse: bool = True
    rejection: tuple[type[Exception], str] | None = None
    quarantined: tuple[str, int, str, str] | None = None
    undo: str = ""
    rebuild: bool = False

    def __str__(self) -> str:
        """Return the test id."""
        return self.name


STAR_INPUTS = [
    # Text
    *(
        StarInput(
            f"the warehouse's role has client_encoding {encoding}", f"{{role}} SET client_encoding = '{encoding}'"
        )
        for encoding in ("LATIN1", "WIN1252")
    ),
    # Dimension rows whose lookup fails
    StarInput(
        "a member of staff without a department",
        "ALTER TABLE staff DROP CONSTRAINT IF EXISTS staff_department_id_fkey;"
        " UPDATE staff SET department_id = 99, first_name = 'Ünknown' WHERE staff_id = 3",
        in_warehouse=False,
        quarantined=("dim_staff", 3, "reference", "department_id"),
        undo="UPDATE staff SET department_id = 1 WHERE staff_id = 3",
    ),
    StarInput(
        "a counterparty without an address",
        "ALTER TABLE counterparty ALTER legal_address_id DROP NOT NULL;"
        " UPDATE counterparty SET legal_address_id = NULL WHERE counterparty_id = 4",
        in_warehouse=False,
        quarantined=("dim_counterparty", 4, "not null", "legal_address_id"),
        undo="UPDATE counterparty SET legal_address_id = 1 WHERE counterparty_id = 4",
    ),
    # A time outside the Gregorian calendar
    StarInput(
        "a payment of 10 October 1582",
        "UPDATE payment SET last_updated = '1582-10-10 12:00:00.123' WHERE payment_id = 7",
        in_warehouse=False,
        quarantined=("fact_payment", 7, "range", "last_updated_date"),
        undo="UPDATE payment SET last_updated = '2024-11-21 09:00:00' WHERE payment_id = 7",
    ),
    # Star tables dropped, renamed or emptied after the ledger recorded the loads
    StarInput(
        "a fact is dropped",
        "DROP TABLE fact_payment CASCADE",
        rejection=(WarehouseTablesError, "fact_payment is missing.*totelake rebuild warehouse"),
        rebuild=True,
    ),
    StarInput(
        "a fact is renamed",
        "ALTER TABLE fact_payment RENAME TO payments",
        rejection=(WarehouseTablesError, "fact_payment is missing"),
        undo="ALTER TABLE payments RENAME TO fact_payment",
    ),
    StarInput(
        "a fact is emptied",
        "TRUNCATE fact_sales_order",
        rejection=(WarehouseTablesError, "fact_sales_order has no row"),
        rebuild=True,
    ),
    # Keys that were dropped
    StarInput("the key of a dimension is dropped", "ALTER TABLE dim_staff DROP CONSTRAINT dim_staff_pkey CASCADE"),
    StarInput(
        "the unique key of a fact is dropped",
        "ALTER TABLE fact_payment DROP CONSTRAINT fact_payment_payment_id__ingested_sequence_key",
    ),
    # Settings of the role
    StarInput(
        "the warehouse is read-only",
        "{role} SET default_transaction_read_only = on",
        rejection=(DatabaseReadOnlyError, "point the Glue connection to the primary server"),
        undo="{role} RESET ALL",
    ),
    *(
        StarInput(f"the warehouse's role has {setting}", f"{{role}} SET {setting}")
        for setting in (
            "quote_all_identifiers = on",
            "DateStyle = 'German'",
            "search_path = 'nowhere'",
            "statement_timeout = '1ms'",
            "transaction_timeout = '50ms'",
        )
    ),
    # Objects added by analysts
    StarInput(
        "an analyst's table references a dimension",
        "CREATE TABLE bonus (staff_id int REFERENCES dim_staff); CREATE INDEX ON fact_payment (paid);"
        " CREATE VIEW paid AS SELECT * FROM fact_payment WHERE paid",
    ),
]

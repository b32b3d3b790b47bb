"""The warehouse's definition compared with the predefined schema, and a warehouse checked against it."""

import psycopg
import pytest

from tests.unit.totelake.predefined_schema import FOREIGN_KEYS, KEYS, PREDEFINED
from totelake.runtime.errors import WarehouseSchemaError
from totelake.warehouse import postgres

COLUMNS = """
SELECT table_name, column_name,
    data_type || CASE WHEN data_type = 'numeric' AND numeric_precision IS NOT NULL
        THEN format('(%s,%s)', numeric_precision, numeric_scale) ELSE '' END
    || CASE is_nullable WHEN 'YES' THEN '?' ELSE '' END
FROM information_schema.columns
WHERE table_schema = 'public' AND table_name NOT LIKE 'current!_%' ESCAPE '!' AND table_name <> 'load_ledger'
ORDER BY table_name, ordinal_position
"""
PRIMARY_KEYS = """
SELECT c.relname, pg_get_constraintdef(k.oid) FROM pg_constraint AS k JOIN pg_class AS c ON c.oid = k.conrelid
WHERE k.contype = 'p'
"""


@pytest.fixture
def connection(warehouse):
    """Return a connection to an empty warehouse."""
    with psycopg.connect(warehouse.conninfo, autocommit=True) as opened:
        yield opened


@pytest.fixture
def defined(connection):
    """Return a connection to a warehouse created by the definition."""
    postgres.apply(connection)
    return connection


def actual_columns(connection):
    """Return the columns of every table, in order and in the notation of PREDEFINED."""
    actual: dict[str, dict[str, str]] = {}
    for table, name, kind in connection.execute(COLUMNS):
        actual.setdefault(table, {})[name] = kind
    return {table: list(columns.items()) for table, columns in actual.items()}


def catalog(connection):
    """Return the catalog's rows of the warehouse's relations."""
    relations = "SELECT oid, relname, relfilenode, xmin::text FROM pg_class WHERE relnamespace = 'public'::regnamespace"
    return connection.execute(f"{relations} ORDER BY oid").fetchall()


def test_tables_are_the_predefined_ones(defined):
    """Every column's name, type, nullability and position; lineage last."""
    assert actual_columns(defined) == {table: list(columns.items()) for table, columns in PREDEFINED.items()}


def test_first_column_is_the_primary_key_and_an_identity_in_facts(defined):
    """Like the serial columns of the predefined schema."""
    keys = dict(defined.execute(PRIMARY_KEYS).fetchall())
    assert {table: keys[table] for table in PREDEFINED} == {
        table: f"PRIMARY KEY ({next(iter(columns))})" for table, columns in PREDEFINED.items()
    }
    numbered = "SELECT table_name, column_name FROM information_schema.columns WHERE is_identity = 'YES' ORDER BY 1"
    assert defined.execute(numbered).fetchall() == [
        ("fact_payment", "payment_record_id"),
        ("fact_purchase_order", "purchase_record_id"),
        ("fact_sales_order", "sales_record_id"),
    ]


def test_times_have_milliseconds(defined):
    """And no more digits."""
    precision = (
        "SELECT DISTINCT datetime_precision FROM information_schema.columns WHERE data_type LIKE 'time without%'"
    )
    assert defined.execute(precision).fetchall() == [(3,)]


def test_every_reference_is_a_foreign_key(defined):
    """Every date references the calendar, every other key its dimension."""
    actual = {(table, column): (to, key) for table, column, to, key in defined.execute(KEYS)}
    assert actual == FOREIGN_KEYS


def test_ddl_text_creates_the_same_warehouse(warehouse, make_database, defined):
    """Executed by any client, also twice."""
    with psycopg.connect(make_database(), autocommit=True) as other:
        other.execute(postgres.ddl())
        other.execute(postgres.ddl())
        assert actual_columns(other) == actual_columns(defined)
        assert sorted(other.execute(KEYS)) == sorted(defined.execute(KEYS))


def test_tables_and_columns_have_comments(defined):
    """From their declarations."""
    uncommented = """
    SELECT c.relname, a.attname FROM pg_class AS c LEFT JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' AND c.relname <> 'load_ledger'
        AND (obj_description(c.oid) IS NULL OR col_description(c.oid, a.attnum) IS NULL)
    """
    assert defined.execute(uncommented).fetchall() == []


def test_reapplied_definition_changes_nothing(defined):
    """Not even a view, whose replacement would wait for its readers."""
    before = catalog(defined)
    postgres.apply(defined)
    assert catalog(defined) == before


def test_missing_objects_are_created_and_existing_ones_stay(defined):
    """A dropped view and a dropped key are created again; rows are not touched."""
    defined.execute("INSERT INTO public.dim_currency VALUES (1, 'GBP', 'Pound Sterling', 1)")
    defined.execute("DROP VIEW public.current_fact_payment")
    defined.execute("ALTER TABLE public.fact_payment DROP CONSTRAINT fact_payment_transaction_id_fkey")

    postgres.apply(defined)

    assert defined.execute("SELECT to_regclass('public.current_fact_payment') IS NOT NULL").fetchone() == (True,)
    assert len(defined.execute(KEYS).fetchall()) == len(FOREIGN_KEYS)
    assert defined.execute("SELECT count(*) FROM public.dim_currency").fetchone() == (1,)


def test_table_with_other_columns_is_rejected_by_name(connection):
    """Columns are missing, undeclared or of another type; nothing else is created."""
    connection.execute(
        "CREATE TABLE public.dim_currency (currency_id int PRIMARY KEY, currency_code text NOT NULL, symbol text)"
    )

    with pytest.raises(WarehouseSchemaError) as raised:
        postgres.apply(connection)

    assert raised.value.table == "dim_currency"
    assert raised.value.missing == ["currency_name", "_ingested_sequence", "_deleted_at"]
    assert raised.value.undeclared == ["symbol"]
    assert raised.value.retyped == {"currency_code": ("text NOT NULL", "character varying NOT NULL")}
    assert "dim_currency: column currency_name is missing" in str(raised.value)
    assert connection.execute("SELECT to_regclass('public.load_ledger')").fetchone() == (None,)

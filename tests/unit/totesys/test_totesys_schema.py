"""The tables of totesys, and the privileges on them."""

import psycopg
import pytest

from totelake.tables import SOURCE_TABLES
from totesys import roles, schema
from totesys.errors import SchemaMissingError, UnreachableError


def test_schema_created_twice_is_unchanged(totesys_database):
    """Including rows."""
    with psycopg.connect(totesys_database) as connection:
        schema.create(connection)
        assert connection.execute("SELECT count(*) FROM sales_order").fetchone() == (200,)
        assert connection.execute("SELECT count(*) FROM _prisma_migrations").fetchone() == (1,)


def test_design_has_its_own_column_order(empty_totesys):
    """It cannot be loaded by position."""
    with psycopg.connect(empty_totesys) as connection:
        names = [column.name for column in connection.execute("SELECT * FROM design").description or ()]
    assert names == ["design_id", "created_at", "design_name", "file_location", "file_name", "last_updated"]


def test_declarations_have_the_keys_and_references_of_totesys(empty_totesys):
    """For lineage and diagrams; ingest does not need them."""
    with psycopg.connect(empty_totesys) as connection:
        actual = connection.execute(
            """SELECT conrelid::regclass::text, attname, CASE contype WHEN 'f' THEN confrelid::regclass::text END
               FROM pg_constraint JOIN pg_attribute ON attrelid = conrelid AND attnum = ANY(conkey)
               WHERE contype IN ('p', 'f') AND conrelid = ANY(%s::regclass[])""",
            [list(schema.TABLES)],
        ).fetchall()
    keys = {(table.name, name, None) for table in SOURCE_TABLES.values() for name in table.key}
    references = {
        (table.name, column.name, column.references)
        for table in SOURCE_TABLES.values()
        for column in table.columns
        if column.references
    }
    assert set(actual) == keys | references


def test_declarations_have_the_nullability_and_types_of_totesys(empty_totesys):
    """For every column."""
    with psycopg.connect(empty_totesys) as connection:
        actual = connection.execute(
            """SELECT attrelid::regclass::text, attname, format_type(atttypid, NULL), NOT attnotnull FROM pg_attribute
               WHERE attnum > 0 AND attrelid = ANY(%s::regclass[])""",
            [list(schema.TABLES)],
        ).fetchall()
    declared = {
        (table.name, column.name, column.type.source, column.nullable)
        for table in SOURCE_TABLES.values()
        for column in table.columns
    }
    assert set(actual) == declared


def test_timestamps_have_milliseconds_and_no_time_zone(empty_totesys):
    """In all eleven tables."""
    with psycopg.connect(empty_totesys) as connection:
        types = connection.execute(
            """SELECT DISTINCT format_type(atttypid, atttypmod), attnotnull FROM pg_attribute
               WHERE attname IN ('created_at', 'last_updated') AND attrelid = ANY(%s::regclass[])""",
            [list(schema.TABLES)],
        ).fetchall()
    assert types == [("timestamp(3) without time zone", True)]


def test_reader_can_select_from_the_eleven_tables_only(totesys_reader):
    """Not from the table of the application's migration tool."""
    with psycopg.connect(totesys_reader, autocommit=True) as connection:
        for table in schema.TABLES:
            connection.execute(f"SELECT * FROM {table}").fetchall()
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("SELECT * FROM _prisma_migrations")


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE currency SET currency_code = 'XXX'",
        "DELETE FROM payment",
        "INSERT INTO currency (currency_code) VALUES ('XXX')",
        "TRUNCATE payment",
        "CREATE TABLE public.mine (a int)",
        "CREATE TEMP TABLE mine (a int)",
        "SELECT nextval('currency_currency_id_seq')",
    ],
)
def test_reader_cannot_write_without_the_read_only_default(totesys_reader, statement):
    """Its transactions are read-only by default, and its privileges do not depend on it."""
    with psycopg.connect(totesys_reader, autocommit=True) as connection:
        assert connection.execute("SHOW default_transaction_read_only").fetchone() == ("on",)
        connection.execute("SET default_transaction_read_only = off")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(statement)


def test_other_role_cannot_connect_to_the_database(warehouse_database, totesys_database):
    """The warehouse's role has no CONNECT privilege on totesys."""
    parts = psycopg.conninfo.conninfo_to_dict(warehouse_database)
    database = psycopg.conninfo.conninfo_to_dict(totesys_database)["dbname"]
    with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
        psycopg.connect(psycopg.conninfo.make_conninfo("", **{**parts, "dbname": database}))


def test_role_names_and_passwords_are_quoted(postgres_server, make_database):
    """A name with SQL stays a name."""
    name, password = "x'; DROP TABLE address; --\"", "p'w\\\" %s"
    with psycopg.connect(make_database(), autocommit=True) as connection:
        schema.create(connection)
        roles.ensure_login(connection, name, "another")
        roles.ensure_login(connection, name, password)
        schema.grant(connection, name)
        url = postgres_server.url(connection.info.dbname, name, password)
        with psycopg.connect(url) as reader:
            assert reader.execute("SELECT current_user, count(*) FROM address").fetchone() == (name, 0)
        connection.execute(psycopg.sql.SQL("DROP OWNED BY {0}; DROP ROLE {0}").format(psycopg.sql.Identifier(name)))


def test_missing_tables_are_named_with_the_command_that_creates_them(warehouse_database):
    """All of them."""
    with pytest.raises(SchemaMissingError, match="totelake up") as caught:
        schema.connect(warehouse_database)
    assert set(caught.value.missing) == set(schema.TABLES)


def test_unreachable_database_is_named_without_its_password():
    """Nothing listens on port 1."""
    with pytest.raises(UnreachableError, match=r"127\.0\.0\.1:1/totesys.*totelake up") as caught:
        schema.connect("postgresql://someone:hush@127.0.0.1:1/totesys")
    assert "hush" not in str(caught.value)

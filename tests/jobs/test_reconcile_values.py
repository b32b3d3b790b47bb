"""Every value that a database can hold is compared; a table that cannot be is named, and the others are compared."""

from dataclasses import replace

import psycopg
import pytest
from psycopg import sql

from benchmarks.reconcile import INGESTED, PROCESSED, commit_batch, fill_warehouse
from tests.lakes import job_run
from tests.postgres_servers import PASSWORD, WAREHOUSE_OWNER, login_of, superuser
from totelake import reconcile
from totelake.reconcile import compare
from totelake.runtime.errors import ReconcileError
from totelake.tables import SOURCE_TABLES, STAR_TABLES
from totelake.tables.ledger import LEDGER
from totelake.warehouse.postgres import apply
from totelake.warehouse.postgres.load import Postgres
from totesys import roles, schema


@pytest.fixture(scope="module")
def totesys(shared_totesys):
    """Return the URL of a totesys with one non-ASCII text, and with it every dimension derived from that text."""
    with psycopg.connect(shared_totesys) as connection:
        connection.execute("UPDATE design SET design_name = 'Müller' WHERE design_id = 1")
    return shared_totesys


@pytest.fixture(scope="module")
def warehouse(totesys, make_module_database, lake_root):
    """Return the URL of a warehouse with equal rows, by one batch in both logs."""
    assert lake_root.exists()
    url = make_module_database(owner=WAREHOUSE_OWNER)
    with psycopg.connect(url) as connection:
        apply(connection, with_foreign_keys=False)
    fill_warehouse(login_of(totesys), login_of(url))
    commit_batch(login_of(totesys), login_of(url))
    return url


@pytest.fixture
def copied(postgres_server, make_database):
    """Return a function that runs statements as superuser on a copy of a database and returns its owner's URL."""

    def make(url, owner, *statements):
        copy = make_database(login_of(url).database, owner)
        with psycopg.connect(superuser(postgres_server, login_of(copy).database)) as connection:
            connection.execute("SET session_replication_role = replica")
            if owner == roles.OWNER:
                schema.grant(connection, roles.READER)
            for statement in statements:
                connection.execute(statement)
        return copy

    return make


@pytest.fixture
def in_encoding(postgres_server):
    """Return a function that copies a database's tables into a database of another encoding and returns its URL."""
    created = []

    def make(url, encoding):
        created.append(f"{login_of(url).database}_{encoding}".lower())
        owner = login_of(url).user
        with psycopg.connect(superuser(postgres_server, "postgres"), autocommit=True) as connection:
            connection.execute(
                f'CREATE DATABASE "{created[-1]}" OWNER {owner} ENCODING {encoding} LOCALE "C" TEMPLATE template0'
            )
        copy = postgres_server.url(created[-1], owner, PASSWORD)
        with psycopg.connect(copy, client_encoding="UTF8") as connection:
            if owner == roles.OWNER:
                schema.create(connection, reader=roles.READER)
                schema.grant(connection, roles.READER)
            else:
                apply(connection, with_foreign_keys=False)
        tables = SOURCE_TABLES if owner == roles.OWNER else [*STAR_TABLES, LEDGER]
        copied_to = psycopg.connect(superuser(postgres_server, created[-1]), client_encoding="UTF8")
        with psycopg.connect(url) as copied_from, copied_to:
            copied_to.execute("SET session_replication_role = replica")
            for name in map(sql.Identifier, tables):
                out, into = (sql.SQL(text).format(name) for text in ("COPY {} TO STDOUT", "COPY {} FROM STDIN"))
                with copied_from.cursor().copy(out) as blocks, copied_to.cursor().copy(into) as rows:
                    for block in blocks:
                        rows.write(block)
        return copy

    yield make
    with psycopg.connect(superuser(postgres_server, "postgres"), autocommit=True) as connection:
        for name in created:
            connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


@pytest.fixture
def compare_databases(totesys, warehouse):
    """Return a function that compares, by default the two equal databases, and returns the reports by table."""

    def run(source=totesys, shown=warehouse):
        databases = reconcile.Databases(replace(login_of(source), user=roles.READER), Postgres(login_of(shown)))
        return reconcile.run(job_run(), databases, INGESTED, PROCESSED)

    return run


@pytest.fixture
def error_of(compare_databases):
    """Return a function that compares and returns the error raised."""

    def run(**sides):
        with pytest.raises(ReconcileError) as raised:
            compare_databases(**sides)
        return raised.value

    return run


def test_values_without_a_python_type_are_compared(error_of, totesys, copied):
    """Each is a difference in its column only; no other row is affected."""
    source = copied(
        totesys,
        roles.OWNER,
        "UPDATE sales_order SET last_updated = 'infinity' WHERE sales_order_id = 1",
        "UPDATE sales_order SET last_updated = '-infinity' WHERE sales_order_id = 2",
        "UPDATE sales_order SET created_at = '12026-01-01 08:00' WHERE sales_order_id = 3",
        "UPDATE purchase_order SET created_at = '0044-03-15 08:00 BC' WHERE purchase_order_id = 4",
        "UPDATE payment SET payment_amount = 'NaN' WHERE payment_id = 1",
        "UPDATE payment SET payment_amount = '-Infinity' WHERE payment_id = 2",
        "UPDATE payment SET payment_amount = 1e25 WHERE payment_id = 3",
        "UPDATE design SET file_name = repeat('x', 1000000) WHERE design_id = 2",
    )

    error = error_of(source=source)

    assert error.failed == {}
    assert error.differences == {
        "fact_sales_order": [
            "3 different in last_updated_date, last_updated_time, created_date, created_time: 1, 2, 3",
        ],
        "fact_purchase_order": ["1 different in created_date, created_time: 4"],
        "fact_payment": ["3 different in payment_amount: 1, 2, 3"],
        "dim_design": ["1 different in file_name: 2"],
    }


@pytest.mark.parametrize("encoding", ["LATIN1", "SQL_ASCII"])
def test_equal_text_in_another_encoding_is_no_difference(compare_databases, totesys, warehouse, in_encoding, encoding):
    """In totesys and in the warehouse."""
    for sides in ({"source": in_encoding(totesys, encoding)}, {"shown": in_encoding(warehouse, encoding)}):
        assert not any(report.findings for report in compare_databases(**sides).values())


def test_equal_text_in_another_encoding_has_the_same_hash(compare_databases, totesys, in_encoding, monkeypatch):
    """Otherwise every range with such a text would be read in every run."""
    read = []
    monkeypatch.setattr(compare.Comparison, "_differences", lambda _, place: read.append(place) or [])

    compare_databases(source=in_encoding(totesys, "LATIN1"))

    assert read == []


def test_text_decoded_with_the_wrong_encoding_is_a_difference(error_of, warehouse, in_encoding):
    """In a LATIN1 warehouse its bytes equal those of totesys."""
    shown = in_encoding(warehouse, "LATIN1")
    with psycopg.connect(shown, client_encoding="UTF8") as connection:
        connection.execute("UPDATE dim_design SET design_name = 'MÃ¼ller' WHERE design_id = 1")

    assert error_of(shown=shown).differences == {"dim_design": ["1 different in design_name: 1"]}


@pytest.mark.parametrize(
    "role_setting", ["client_encoding = 'LATIN1'", "datestyle = 'German'", "timezone = 'Asia/Tokyo'"]
)
def test_session_settings_of_a_database_make_no_difference(compare_databases, totesys, copied, role_setting):
    """Every connection sets its own."""
    source = copied(totesys, roles.OWNER)
    with psycopg.connect(source, autocommit=True) as connection:
        connection.execute(f'ALTER DATABASE "{login_of(source).database}" SET {role_setting}')

    assert not any(report.findings for report in compare_databases(source=source).values())


def test_table_with_undecodable_bytes_is_named_and_the_others_are_compared(error_of, totesys, in_encoding, capsys):
    """A SQL_ASCII database accepts any bytes."""
    source = in_encoding(totesys, "SQL_ASCII")
    with psycopg.connect(source, client_encoding="SQL_ASCII") as connection:
        connection.execute(rb"UPDATE design SET design_name = E'M\xfcller' WHERE design_id = 1")
        connection.execute("UPDATE currency SET currency_code = 'CHF' WHERE currency_id = 1")

    error = error_of(source=source)

    assert error.failed == {"dim_design": 'totesys: invalid byte sequence for encoding "UTF8": 0xfc'}
    assert error.differences == {"dim_currency": ["1 different in currency_code, currency_name: 1"]}
    assert 'Could not be compared: dim_design (totesys: invalid byte sequence for encoding "UTF8": 0xfc).' in str(error)
    assert '"table": "dim_payment_type"' in capsys.readouterr().out


def test_table_that_the_role_cannot_read_completely_is_named_and_the_others_are_compared(
    error_of, totesys, warehouse, copied
):
    """A policy filters rows, a privilege is missing or a view is dropped, in totesys or in the warehouse."""
    source = copied(
        totesys,
        roles.OWNER,
        "ALTER TABLE sales_order ENABLE ROW LEVEL SECURITY",
        f"CREATE POLICY most ON sales_order FOR SELECT TO {roles.READER} USING (sales_order_id <> 77)",
        f"REVOKE SELECT ON transaction FROM {roles.READER}",
        "ALTER TABLE payment_type RENAME TO payment_kind",
    )
    shown = copied(
        warehouse,
        WAREHOUSE_OWNER,
        "ALTER TABLE dim_design ENABLE ROW LEVEL SECURITY",
        "ALTER TABLE dim_design FORCE ROW LEVEL SECURITY",
        "DROP VIEW current_dim_currency",
        "UPDATE dim_staff SET first_name = 'x' WHERE staff_id = 1",
    )

    error = error_of(source=source, shown=shown)

    assert error.failed == {
        "dim_currency": 'the warehouse: relation "public.current_dim_currency" does not exist',
        "dim_design": 'the warehouse: query would be affected by row-level security policy for table "dim_design"',
        "dim_payment_type": 'totesys: relation "public.payment_type" does not exist',
        "dim_transaction": "totesys: permission denied for table transaction",
        "fact_sales_order": 'totesys: query would be affected by row-level security policy for table "sales_order"',
    }
    assert error.differences == {"dim_staff": ["1 different in first_name: 1"]}


def test_duplicate_keys_are_reported_on_either_side(error_of, totesys, warehouse, copied):
    """Also when both have the same ones: through a child table in totesys and a dropped constraint."""
    source = copied(
        totesys,
        roles.OWNER,
        "CREATE TABLE old_types () INHERITS (payment_type)",
        "INSERT INTO old_types SELECT * FROM ONLY payment_type WHERE payment_type_id < 3",
        f"GRANT SELECT ON old_types TO {roles.READER}",
    )
    shown = copied(
        warehouse,
        WAREHOUSE_OWNER,
        "ALTER TABLE dim_payment_type DROP CONSTRAINT dim_payment_type_pkey",
        "INSERT INTO dim_payment_type SELECT * FROM dim_payment_type WHERE payment_type_id < 3",
        "ALTER TABLE dim_design DROP CONSTRAINT dim_design_pkey",
        "INSERT INTO dim_design SELECT * FROM dim_design WHERE design_id = 3",
        "UPDATE dim_design SET file_name = 'x' WHERE design_id = 4",
    )

    assert error_of(source=source, shown=shown).differences == {
        "dim_payment_type": ["2 more than once in totesys: 1, 2", "2 more than once in the warehouse: 1, 2"],
        "dim_design": ["1 more than once in the warehouse: 3", "1 different in file_name: 4"],
    }


def test_rows_duplicated_by_a_duplicate_department_are_reported(error_of, totesys, copied):
    """Without the department's key, each member of its staff is joined to two rows."""
    source = copied(
        totesys,
        roles.OWNER,
        "ALTER TABLE department DROP CONSTRAINT department_pkey CASCADE",
        "INSERT INTO department OVERRIDING SYSTEM VALUE SELECT * FROM department WHERE department_id = 2",
    )
    with psycopg.connect(source) as connection:
        members = [
            key for (key,) in connection.execute("SELECT staff_id FROM staff WHERE department_id = 2 ORDER BY 1")
        ]

    error = error_of(source=source)

    [reported] = error.differences["dim_staff"]
    assert reported.startswith(f"{len(members)} more than once in totesys: {members[0]}")
    assert error.rows == {"dim_staff": len(members)}


def test_row_without_a_key_is_reported_with_its_table(error_of, totesys, copied):
    """It cannot be matched."""
    source = copied(
        totesys,
        roles.OWNER,
        "ALTER TABLE sales_order DROP CONSTRAINT sales_order_pkey CASCADE",
        "ALTER TABLE sales_order ALTER sales_order_id DROP IDENTITY",
        "ALTER TABLE sales_order ALTER sales_order_id DROP NOT NULL",
        "UPDATE sales_order SET sales_order_id = NULL WHERE sales_order_id = 5",
    )

    assert error_of(source=source).failed == {"fact_sales_order": "totesys: 1 rows have no sales_order_id"}


def test_source_rows_with_a_missing_parent_are_compared(error_of, totesys, copied):
    """A member of staff missing in the warehouse is missing, one that is there is different."""
    source = copied(
        totesys,
        roles.OWNER,
        "INSERT INTO staff (staff_id, first_name, last_name, department_id, email_address)"
        " VALUES (901, 'A', 'B', 99, 'x')",
        "UPDATE staff SET department_id = 99 WHERE staff_id = 2",
        "UPDATE counterparty SET legal_address_id = 99999 WHERE counterparty_id = 3",
    )

    differences = error_of(source=source).differences

    assert differences["dim_staff"] == [
        "1 different in department_name, location: 2",
        "1 missing in the warehouse: 901",
    ]
    assert "1 different in counterparty_legal_address_line_1" in differences["dim_counterparty"][0]

"""The roles of a warehouse: the owner defines it, the loader loads it with just its rights, the reader reads it."""

import json
from contextlib import closing, suppress
from uuid import uuid4

import boto3
import psycopg
import pytest
from psycopg import sql

from tests.jobs.loaded_rows import contents, rows_without_surrogate_keys
from tests.lakes import job_run
from tests.postgres_servers import PASSWORD, WAREHOUSE_OWNER, as_role, login_of, postgres, superuser
from tests.star_batches import DIMENSIONS, FIRST, order, payment
from tests.warehouses import postgres_side, redshift_side
from totelake.runtime.errors import WarehouseDefinitionError, WarehouseTablesError
from totelake.tables.ledger import LEDGER
from totelake.warehouse import define, load
from totelake.warehouse import postgres as postgres_warehouse
from totelake.warehouse.names import LOADER, READER, STAGING_SCHEMA
from totelake.warehouse.postgres.load import Postgres
from totelake.warehouse.redshift import roles as redshift_roles

LATER = {"fact_payment": [payment(paid=True, batch=2)], "dim_currency": [(1, "GBP", "Sterling", 2, None)]}
REFRESH = {**DIMENSIONS, "fact_payment": [payment(paid=True, batch=2)], "fact_purchase_order": [order(batch=2)]}
FOREIGN_KEYS = "SELECT count(*) FROM pg_constraint WHERE contype = 'f'"
DEFINITION = "COMMENT ON SCHEMA staging IS 'Definition of the warehouse: another.'"
TEMPORARY_CATALOG = """
CREATE TEMPORARY TABLE pg_constraint AS
SELECT conrelid, 'load_ledger_pkey' AS conname, 'f' AS contype, conparentid, confrelid
FROM pg_catalog.pg_constraint WHERE contype = 'f'
"""


@pytest.fixture
def processed(lake_root):
    """Return an empty processed bucket; few rows are loaded without Spark."""
    bucket = f"processed-{uuid4().hex[:8]}"
    boto3.client("s3").create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": "eu-west-2"})
    return bucket


@pytest.fixture
def side(warehouse_database):
    """Return a warehouse that its owner has defined, opened by the loader."""
    postgres_side(warehouse_database).warehouse.define(job_run(), {})
    return postgres_side(as_role(warehouse_database, LOADER))


@pytest.fixture
def query(warehouse_database):
    """Return a function that runs a query on the warehouse as its owner."""

    def rows(statement):
        with psycopg.connect(warehouse_database) as connection:
            return connection.execute(statement).fetchall()

    return rows


@pytest.fixture
def as_owner(warehouse_database):
    """Return an open connection of the owner."""
    with psycopg.connect(warehouse_database, autocommit=True) as connection:
        yield connection


@pytest.fixture
def as_loader(side):
    """Return an open connection of the loader."""
    with psycopg.connect(side.url, autocommit=True) as connection:
        yield connection


def test_loader_loads_refreshes_and_rebuilds(commit, run_load, query, side):
    """And the foreign keys, which only the owner can add, exist after each."""
    for batch, ingested in ((FIRST, None), (LATER, None), (REFRESH, (1, 2))):
        commit(batch, **({"ingested": ingested} if ingested else {}))
        run_load()
        assert query(FOREIGN_KEYS) == [(24,)]
    refreshed = rows_without_surrogate_keys(query)
    run_load(rebuild="true")
    assert rows_without_surrogate_keys(query) == refreshed
    assert query(FOREIGN_KEYS) == [(24,)]
    assert side.left_in_staging() == []


@pytest.mark.parametrize(
    "statement",
    [
        "DROP TABLE public.fact_payment CASCADE",
        "ALTER TABLE public.fact_payment ADD COLUMN mine int",
        "ALTER TABLE public.fact_payment DROP CONSTRAINT fact_payment_pkey",
        "ALTER TABLE public.fact_payment OWNER TO warehouse_loader",
        "TRUNCATE public.fact_payment",
        "UPDATE public.fact_payment SET payment_amount = 0",
        "DELETE FROM public.fact_payment",
        "DELETE FROM public.dim_currency",
        "CREATE TRIGGER t BEFORE UPDATE ON public.fact_payment EXECUTE FUNCTION suppress_redundant_updates_trigger()",
        "CREATE OR REPLACE VIEW public.current_dim_currency AS SELECT 1",
        "CREATE TABLE public.mine (id int)",
        "CREATE TABLE staging.mine (id int REFERENCES public.dim_currency)",
        "CREATE SCHEMA mine",
        "CREATE OR REPLACE FUNCTION staging.drop_foreign_keys() RETURNS void LANGUAGE sql AS ''",
        "SELECT * FROM others.secret",
        "CREATE ROLE mine",
        "SET ROLE warehouse_owner",
    ],
)
def test_loader_has_no_other_rights(as_owner, as_loader, statement):
    """Neither to define nor to read what others have in the database."""
    as_owner.execute("CREATE SCHEMA others; CREATE TABLE others.secret (id int)")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        as_loader.execute(statement)


@pytest.mark.parametrize("role", [LOADER, READER])
def test_role_grants_nothing_to_others(as_owner, side, role):
    """A GRANT without the right to grant is a warning in Postgres."""
    with closing(psycopg.connect(as_role(side.url, role), autocommit=True)) as connection:
        connection.execute("SET default_transaction_read_only = off")
        with suppress(psycopg.errors.InsufficientPrivilege):
            connection.execute("GRANT SELECT ON public.fact_payment TO totelake_reader")
    granted = "SELECT has_table_privilege('totelake_reader', 'public.fact_payment', 'SELECT')"
    assert as_owner.execute(granted).fetchone() == (False,)


def test_functions_add_and_drop_declared_keys_only(as_owner, as_loader):
    """Whatever the temporary tables, and so the search path, of their caller are."""
    with pytest.raises(psycopg.errors.CaseNotFound):
        as_loader.execute("SELECT staging.add_foreign_key('mine')")
    as_owner.execute(f"GRANT TEMPORARY ON DATABASE {as_owner.info.dbname} TO warehouse_loader")
    as_loader.execute("SELECT staging.add_foreign_key('fact_payment_currency_id_fkey')")
    as_loader.execute(TEMPORARY_CATALOG)
    as_loader.execute("SELECT staging.drop_foreign_keys()")
    keys = "SELECT contype::text, count(*) FROM pg_catalog.pg_constraint WHERE conname IN ({}) GROUP BY 1"
    names = "'load_ledger_pkey', 'fact_payment_currency_id_fkey'"
    assert as_owner.execute(keys.format(names)).fetchall() == [("p", 1)]


def test_nobody_else_may_call_the_functions(as_owner, side):
    """They would let him empty the warehouse."""
    may = "SELECT has_function_privilege(%s, 'staging.truncate_star_tables()', 'EXECUTE')"
    allowed = {role: as_owner.execute(may, (role,)).fetchone()[0] for role in (LOADER, READER, "totelake_reader")}
    assert allowed == {LOADER: True, READER: False, "totelake_reader": False}


def test_reader_reads_and_writes_nothing(commit, run_load, side):
    """Even if it makes its transactions read-write."""
    commit(FIRST)
    run_load()
    with psycopg.connect(as_role(side.url, READER), autocommit=True) as reader:
        assert reader.execute("SELECT count(*) FROM public.current_fact_payment").fetchone() == (1,)
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            reader.execute("DELETE FROM public.fact_payment")
        reader.execute("SET default_transaction_read_only = off")
        for statement in (
            "DELETE FROM public.fact_payment",
            "INSERT INTO public.load_ledger SELECT * FROM public.load_ledger",
            "CREATE TABLE public.mine (id int)",
            "CREATE TABLE staging.mine (id int)",
            "SELECT staging.truncate_star_tables()",
            "DROP VIEW public.current_fact_payment",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                reader.execute(statement)


def test_load_names_what_only_the_owner_can_create(commit, run_load, as_owner, warehouse_database, query):
    """After the owner has defined the warehouse, the lost rows are restored by a rebuild."""
    commit(FIRST)
    run_load()
    before = rows_without_surrogate_keys(query)
    as_owner.execute("DROP TABLE public.fact_payment CASCADE")
    with pytest.raises(WarehouseTablesError, match="fact_payment is missing"):
        run_load()
    with pytest.raises(WarehouseDefinitionError, match="lacks current_fact_payment, fact_payment, which only"):
        run_load(rebuild="true")

    postgres_side(warehouse_database).warehouse.define(job_run(), {})

    with pytest.raises(WarehouseTablesError, match="fact_payment has no row"):
        run_load()
    run_load(rebuild="true")
    assert rows_without_surrogate_keys(query) == before


def test_load_into_an_undefined_warehouse_names_the_tables(commit, processed, warehouse_database):
    """Nothing is created before the owner has defined it."""
    commit(FIRST)
    with psycopg.connect(warehouse_database) as owner:
        owner.execute(f"GRANT CONNECT ON DATABASE {owner.info.dbname} TO {LOADER}")
    with pytest.raises(WarehouseDefinitionError, match="lacks current_dim_counterparty, "):
        load.run(job_run(), processed, postgres_side(as_role(warehouse_database, LOADER)).warehouse)


def test_dropped_key_is_named(commit, run_load, as_owner):
    """The loader cannot restore it."""
    as_owner.execute("ALTER TABLE public.fact_payment DROP CONSTRAINT fact_payment_pkey")
    commit(FIRST)
    with pytest.raises(WarehouseDefinitionError, match=r"lacks PRIMARY KEY \(payment_record_id\) of fact_payment"):
        run_load()


def test_load_goes_on_with_an_outdated_definition(commit, run_load, as_owner, query, capsys):
    """Such as another comment or view: tables and columns are those that the load needs."""
    as_owner.execute(DEFINITION)
    commit(FIRST)
    run_load()
    assert query(f"SELECT count(*) FROM {LEDGER}") == [(1,)]
    assert '"definition_outdated"' in capsys.readouterr().out


def test_warehouse_loaded_by_its_owner_is_loaded_by_the_loader(commit, processed, warehouse_database, query):
    """Once its owner has defined it: rows and ledger stay, and staging tables that its loads left are dropped."""
    commit(FIRST)
    owners = postgres_side(warehouse_database)
    load.run(job_run(), processed, owners.warehouse)
    with psycopg.connect(warehouse_database, autocommit=True) as owner:
        owner.execute("CREATE TABLE staging.dim_location_dead (location_id int)")
        # As before there were functions.
        owner.execute(f"{DEFINITION}; DROP FUNCTION staging.add_foreign_key, staging.drop_foreign_keys")
    before = contents(query)

    owners.warehouse.define(job_run(), {})

    assert contents(query) == before
    assert owners.left_in_staging() == []
    commit(LATER)
    load.run(job_run(), processed, postgres_side(as_role(warehouse_database, LOADER)).warehouse)
    assert query(f"SELECT processed_sequence FROM {LEDGER} ORDER BY 1") == [(1,), (2,)]
    assert query("SELECT count(*) FROM fact_payment") == [(2,)]


@pytest.fixture(scope="module")
def master():
    """Return the login of a master as that of RDS: it may create roles and owns the database, but is no superuser."""
    with postgres() as server:
        with psycopg.connect(superuser(server, "postgres"), autocommit=True) as admin:
            for name in (LOADER, READER):
                admin.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(name)))
            admin.execute(f"ALTER ROLE {WAREHOUSE_OWNER} CREATEROLE")
            admin.execute(f"CREATE DATABASE warehouse OWNER {WAREHOUSE_OWNER}")
        yield login_of(server.url("warehouse", WAREHOUSE_OWNER, PASSWORD))


def test_define_job_creates_the_roles_with_the_passwords_of_their_secrets(lake_root, master):
    """A secret without a value gets a new password; later runs keep it, unless they rotate."""
    client = boto3.client("secretsmanager")
    arguments = {
        f"{name}_secret": client.create_secret(Name=f"{name}-{uuid4().hex}")["ARN"] for name in ("loader", "reader")
    }

    def logins():
        secrets = [json.loads(client.get_secret_value(SecretId=each)["SecretString"]) for each in arguments.values()]
        for secret in secrets:
            url = psycopg.conninfo.make_conninfo(master.conninfo, user=secret["username"], password=secret["password"])
            with psycopg.connect(url) as connection:
                connection.execute("SELECT FROM public.load_ledger")
        return [tuple(secret.values()) for secret in secrets]

    define.run(job_run(**arguments), Postgres(master))
    first = logins()
    assert [name for name, _ in first] == [LOADER, READER]
    assert first[0][1] != first[1][1]

    define.run(job_run(**arguments), Postgres(master))
    assert logins() == first

    define.run(job_run(**arguments, rotate="true"), Postgres(master))
    assert not {password for _, password in logins()} & {password for _, password in first}


def test_loader_of_redshift_loads_and_rebuilds_with_just_its_rights(
    commit, processed, warehouse_database, query, monkeypatch
):
    """Users are not created locally."""
    monkeypatch.setattr(redshift_roles, "ensure", lambda *_: None)
    redshift_side(warehouse_database, f"s3://{processed}/temporary").warehouse.define(job_run(), {})
    side = redshift_side(as_role(warehouse_database, LOADER), f"s3://{processed}/temporary")
    with psycopg.connect(warehouse_database) as owner:
        owner.execute(f"GRANT CONNECT ON DATABASE {owner.info.dbname} TO {LOADER}")
    commit(FIRST)
    commit(LATER)
    load.run(job_run(), processed, side.warehouse)
    before = rows_without_surrogate_keys(query)
    load.run(job_run(rebuild="true"), processed, side.warehouse)
    assert rows_without_surrogate_keys(query) == before

    with psycopg.connect(side.url, autocommit=True) as loader:
        for statement in ("DROP TABLE fact_payment", "CREATE TABLE public.mine (x int)", "TRUNCATE fact_payment"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                loader.execute(statement)
    with psycopg.connect(warehouse_database) as owner:
        owner.execute(f"DROP VIEW current_dim_currency; DROP TABLE {STAGING_SCHEMA}.staged_dim_currency")
    with pytest.raises(WarehouseDefinitionError, match="lacks current_dim_currency, which only its owner"):
        load.run(job_run(), processed, side.warehouse)


def test_printed_statements_create_roles_with_the_same_rights(as_owner, master, side):
    """For the owner of an existing warehouse, who may run them again."""
    rights = """
    SELECT table_name, grantee, privilege_type FROM information_schema.table_privileges
    WHERE table_schema = 'public' AND grantee LIKE 'warehouse!_%' ESCAPE '!' ORDER BY 1, 2, 3
    """
    with psycopg.connect(master.conninfo, autocommit=True) as existing:
        existing.execute("DROP SCHEMA IF EXISTS public, staging CASCADE; CREATE SCHEMA public")
        for _ in range(2):
            existing.execute(postgres_warehouse.ddl() + postgres_warehouse.creation())
        printed = existing.execute(rights).fetchall()
    granted = as_owner.execute(rights).fetchall()
    assert printed == [each for each in granted if each[2] != "MAINTAIN"]
    assert {grantee for _, grantee, _ in printed} == {LOADER, READER, WAREHOUSE_OWNER}

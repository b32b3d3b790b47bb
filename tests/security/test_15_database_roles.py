"""Other roles of a database: their functions are not called in place of Postgres's.

Postgres calls, of the functions with a name in all schemas of the search path, the one whose parameters fit best. Up to
version 14 every role may create functions in the schema `public`, also after an upgrade.
"""

from contextlib import nullcontext, suppress
from dataclasses import replace
from types import SimpleNamespace

import psycopg
import pytest
from psycopg import sql

from dashboards import questions, warehouse
from dashboards.filters import Filters
from ops.cli.commands import warehouse as warehouse_commands
from tests.e2e.test_dashboard import ROWS
from tests.postgres_servers import PASSWORD, as_role, login_of, superuser
from totelake.ingest import source
from totelake.reconcile import stage as reconcile_stage
from totelake.reconcile import warehouse_state
from totelake.reconcile.compare import Comparison
from totelake.reconcile.dialects import as_postgres
from totelake.reconcile.warehouse_state import WarehouseState, open_state
from totelake.runtime import connections
from totelake.runtime.errors import (
    AlreadyRunningError,
    ComparisonError,
    WarehouseDefinitionError,
    WarehouseOwnerError,
    WarehouseReferenceError,
    WarehouseTablesError,
)
from totelake.tables import SOURCE_TABLES, STAR_TABLES
from totelake.tables.ledger import LEDGER
from totelake.warehouse.names import STAGING_SCHEMA
from totelake.warehouse.postgres import ledger, shape, staging
from totelake.warehouse.postgres.load import Postgres
from totelake.warehouse.postgres.merge import merge
from totelake.warehouse.postgres.owners import checked_relations
from totelake.warehouse.postgres.session import open_warehouse
from totesys import roles

STRANGER = "stranger"
COPY_OF_A_VALUE = """
CREATE FUNCTION public.octet_length(value varchar) RETURNS int LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('stolen', current_user || ' ' || value);
    RETURN pg_catalog.octet_length(value::text);
END $$;
LISTEN stolen
"""
GRANT_EVERYTHING = """
CREATE FUNCTION public.pg_try_advisory_lock(a int, b smallint) RETURNS bool LANGUAGE plpgsql AS $$
BEGIN
    GRANT ALL ON ALL TABLES IN SCHEMA public TO stranger;
    RETURN true;
END $$
"""
OTHER_EQUALITY = """
CREATE FUNCTION public.same(a varchar, b varchar) RETURNS bool LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('called', current_user);
    RETURN a::text = b::text;
END $$;
CREATE OPERATOR public.= (FUNCTION = public.same, LEFTARG = varchar, RIGHTARG = varchar);
LISTEN called
"""
OTHER_PRODUCT = """
CREATE FUNCTION public.times(a int, b numeric) RETURNS numeric LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('called', current_user);
    RETURN 0;
END $$;
CREATE OPERATOR public.* (FUNCTION = public.times, LEFTARG = int, RIGHTARG = numeric);
LISTEN called
"""
TYPE_OF_ITS_OWN = """
CREATE TYPE public.mood AS ENUM ('good', 'bad');
CREATE FUNCTION public.mood_as_text(mood public.mood) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('called', current_user);
    RETURN 'forged';
END $$;
CREATE DOMAIN public.temper AS public.mood;
ALTER TABLE public.payment_type ADD COLUMN mood public.mood, ADD COLUMN temper public.temper DEFAULT 'bad';
LISTEN called
"""
CAST_OF_ITS_OWN = "CREATE CAST (public.mood AS text) WITH FUNCTION public.mood_as_text"
OTHER_RELATIONS = {
    "view": """
CREATE FUNCTION public.shown(id int) RETURNS int LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('called', current_user);
    RETURN id;
END $$;
ALTER TABLE public.payment_type RENAME TO kept;
CREATE VIEW public.payment_type AS SELECT public.shown(payment_type_id) AS payment_type_id, payment_type_name FROM kept;
GRANT SELECT ON public.payment_type TO totelake_reader;
LISTEN called
""",
    "type": """
CREATE TYPE public.kind AS ENUM ('good', 'bad');
CREATE FUNCTION public.kind_as_number(kind public.kind) RETURNS int LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('called', current_user);
    RETURN 1;
END $$;
CREATE CAST (public.kind AS int) WITH FUNCTION public.kind_as_number AS IMPLICIT;
CREATE TABLE public.new (payment_type_id public.kind PRIMARY KEY, payment_type_name varchar);
INSERT INTO public.new VALUES ('good', 'SALES_RECEIPT');
ALTER TABLE public.payment_type RENAME TO kept;
ALTER TABLE public.new RENAME TO payment_type;
GRANT SELECT ON public.payment_type TO totelake_reader;
LISTEN called
""",
}
FUNCTION = """
CREATE FUNCTION public.same(value int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS $$
BEGIN
    RAISE NOTICE 'called by %', current_user;
    RETURN value;
END $$;
"""
LEDGERS = {
    "view": f"CREATE VIEW public.{LEDGER} AS SELECT public.same(1) AS processed_sequence, 1 AS last_ingested",
    "index": f"CREATE TABLE public.{LEDGER} (rows jsonb); CREATE INDEX ON public.{LEDGER} (public.same(1))",
}
LOADED = f"""
INSERT INTO public.{LEDGER}
    (processed_sequence, batch_id, first_ingested, last_ingested, rows, run_id, code_version, snapshot_taken_at)
VALUES (1, 'batch', 1, 1, '{{"fact_payment": 5}}', 'jr_0', 'v1', now())
"""
FACT_OF_ITS_OWN = """
CREATE FUNCTION public.truncated() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE NOTICE 'called by %', current_user;
    RETURN NULL;
END $$;
CREATE TABLE public.fact_payment (payment_record_id int);
CREATE TRIGGER truncated BEFORE TRUNCATE ON public.fact_payment EXECUTE FUNCTION public.truncated();
CREATE VIEW public.current_fact_payment AS SELECT 1 AS payment_record_id;
GRANT ALL ON public.fact_payment TO PUBLIC
"""
REFERENCE = f"""
CREATE TABLE public.referring (processed_sequence int REFERENCES public.{LEDGER} ON DELETE CASCADE);
INSERT INTO public.referring VALUES (1);
CREATE FUNCTION public.deleted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE NOTICE 'called by %', current_user;
    RETURN NULL;
END $$;
CREATE TRIGGER deleted AFTER DELETE ON public.referring FOR EACH ROW EXECUTE FUNCTION public.deleted();
"""


@pytest.fixture
def as_stranger(postgres_server):
    """Return a function that connects to a database as a role that may only create functions in `public`."""
    with psycopg.connect(superuser(postgres_server, "postgres"), autocommit=True) as admin:
        roles.ensure_login(admin, STRANGER, PASSWORD)
    opened = []

    def connect(url):
        database = login_of(url).database
        with psycopg.connect(superuser(postgres_server, database), autocommit=True) as admin:
            names = [sql.Identifier(name) for name in (database, STRANGER)]
            admin.execute(sql.SQL("GRANT CONNECT ON DATABASE {} TO {}").format(*names))
            admin.execute(sql.SQL("GRANT CREATE, USAGE ON SCHEMA public TO {}").format(names[1]))
        opened.append(psycopg.connect(as_role(url, STRANGER), autocommit=True))
        return opened[-1]

    yield connect
    for connection in opened:
        connection.close()


@pytest.fixture(params=["public", "pg_catalog"])
def search_path(request, monkeypatch):
    """Return the search path of the jobs: that with which the attacks succeed, and the one that they have."""
    if request.param == "public":
        monkeypatch.setitem(connections._SESSION, "search_path", "public")
    assert connections._SESSION["search_path"] == request.param
    return request.param


def test_function_in_totesys_does_not_see_the_values_that_a_reader_checks(as_stranger, totesys_reader, search_path):
    """It would be called for each value, with the permissions of the role that reads all tables."""
    stranger = as_stranger(totesys_reader)
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        stranger.execute("SELECT * FROM public.staff")
    stranger.execute(COPY_OF_A_VALUE)

    since = {"staff": source.ALL_TRANSACTIONS}
    with source.open_source(login_of(totesys_reader)) as reader:
        tables = reader.resolve([SOURCE_TABLES["staff"]])
        reader.count(tables, since)
        reader.check_changes(tables, since)

    stolen = [each.payload for each in stranger.notifies(timeout=1, stop_after=1)]
    assert bool(stolen) == (search_path == "public")


def test_function_in_the_warehouse_is_not_called_as_its_owner(as_stranger, warehouse_database, search_path):
    """It would have the owner's permissions, and let two loads run at once."""
    with psycopg.connect(warehouse_database) as owner:
        owner.execute("CREATE TABLE fact_sales_order (sales_order_id int)")
    stranger = as_stranger(warehouse_database)
    stranger.execute(GRANT_EVERYTHING)

    second = ""
    with open_warehouse(login_of(warehouse_database), "jr_1"):
        try:
            with open_warehouse(login_of(warehouse_database), "jr_2"):
                second = "opened"
        except AlreadyRunningError:
            second = "rejected"

    allowed = "SELECT has_table_privilege('public.fact_sales_order', 'INSERT')"
    assert (second, *stranger.execute(allowed).fetchone()) == (
        ("opened", True) if search_path == "public" else ("rejected", False)
    )


def test_command_that_applies_the_definition_calls_no_function_of_another_role(
    as_stranger, warehouse_database, monkeypatch
):
    """It connects as the owner of the warehouse, too."""
    stranger = as_stranger(warehouse_database)
    stranger.execute(GRANT_EVERYTHING.replace("pg_try_advisory_lock", "pg_advisory_xact_lock"))
    sandbox = (None, SimpleNamespace(warehouse_url=warehouse_database))
    monkeypatch.setattr(warehouse_commands, "running_sandbox", lambda _: nullcontext(sandbox))
    for _ in range(2):
        warehouse_commands.ddl(apply=True, warehouse=warehouse_commands.WarehouseKind.POSTGRES)
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        stranger.execute("SELECT * FROM public.fact_payment")


def test_operator_in_the_warehouse_does_not_compare_the_rows_of_a_merge(as_stranger, warehouse_database):
    """Whereas the merge's triggers, which are its owner's, find their tables in `public`."""
    table, row = STAR_TABLES["dim_payment_type"], (1, "SALES_RECEIPT", 1, None)
    login = login_of(warehouse_database)
    with open_warehouse(login, "jr_1") as owner:
        shape.apply(owner)
        stranger = as_stranger(warehouse_database)
        stranger.execute(OTHER_EQUALITY)
        for version in (row, (1, "SALES_PAYMENT", 2, None)):
            with staging.staging_tables(owner, [table], "test") as staged, owner.transaction():
                name = sql.Identifier(STAGING_SCHEMA, staged[table.name])
                owner.execute(sql.SQL("INSERT INTO {} VALUES (%s, %s, %s, %s)").format(name), version)
                assert merge(owner, table, staged[table.name]) == 1
        assert [*stranger.notifies(timeout=0.5)] == []

        owner.execute("SET search_path = public")
        owner.execute("SELECT payment_type_name = 'SALES_PAYMENT'::varchar FROM public.dim_payment_type")
        [called] = stranger.notifies(timeout=5, stop_after=1)
        assert called.payload == login.user


def test_operator_in_the_warehouse_does_not_multiply_in_the_queries_of_the_dashboard(as_stranger, warehouse_database):
    """Nor in those of the demonstration, which have the same connection; a plain connection calls it."""
    question = questions.read("sales", "revenue_by_month")
    with psycopg.connect(warehouse_database) as owner:
        shape.apply(owner)
        owner.execute(ROWS)
    stranger = as_stranger(warehouse_database)
    stranger.execute(OTHER_PRODUCT)

    revenue = warehouse.answer(warehouse_database, question, Filters(currencies=("GBP",)))["revenue"]
    assert revenue.min() > 0
    assert [*stranger.notifies(timeout=0.5)] == []

    with psycopg.connect(warehouse_database) as connection:
        connection.execute(question.query.encode())
    assert next(iter(stranger.notifies(timeout=5, stop_after=1))).payload == login_of(warehouse_database).user


@pytest.mark.parametrize("created", ["before the batch", "while the batch is read"])
def test_cast_of_a_source_tables_owner_is_not_called(totesys_database, created):
    """It would run with the permissions of the reader; the values are those that the types display.

    The locks of a batch do not prevent a new cast.
    """
    with psycopg.connect(totesys_database, autocommit=True) as owner:
        owner.execute(TYPE_OF_ITS_OWN)
        if created == "before the batch":
            owner.execute(CAST_OF_ITS_OWN)
        with source.open_source(replace(login_of(totesys_database), user=roles.READER)) as reader:
            since = {"payment_type": source.ALL_TRANSACTIONS}
            [table] = reader.resolve([SOURCE_TABLES["payment_type"]])
            if created == "while the batch is read":
                owner.execute(CAST_OF_ITS_OWN)
            reader.count([table], since)
            reader.check_changes([table], since)
            options = reader.session_options(source.ALL_TRANSACTIONS)
            with psycopg.connect(as_role(totesys_database, roles.READER), options=options) as extracting:
                rows = extracting.execute(f"SELECT mood, temper FROM ({reader.changed_rows(table)}) AS t").fetchall()
        assert set(rows) == {(None, "bad")}
        assert [*owner.notifies(timeout=0.5)] == []
        owner.execute("SELECT 'good'::public.mood::text")
        assert len([*owner.notifies(timeout=5, stop_after=1)]) == 1


@pytest.mark.parametrize("statements", OTHER_RELATIONS.values(), ids=OTHER_RELATIONS)
def test_relation_of_other_kind_or_types_is_not_compared(totesys_database, statements, monkeypatch):
    """It would call its owner's functions with the permissions of the reader."""
    equal = WarehouseState(None, side=lambda _: None, dialect=lambda encoding: as_postgres(encoding, encoding))
    reader = replace(login_of(totesys_database), user=roles.READER)

    def compare():
        with reconcile_stage._open_sides(reader, equal) as (totesys, _, _):
            Comparison(STAR_TABLES["dim_payment_type"], totesys, totesys)._read(totesys)

    with psycopg.connect(totesys_database, autocommit=True) as owner:
        owner.execute(statements)
        with pytest.raises(ComparisonError, match=r"is a view|is public\.kind, declared integer"):
            compare()
        assert [*owner.notifies(timeout=0.5)] == []
        monkeypatch.setattr(reconcile_stage, "_differences_from_declarations", lambda _: {})
        compare()
        [called] = owner.notifies(timeout=5, stop_after=1)
        assert called.payload == roles.READER


@pytest.mark.parametrize("statement", LEDGERS.values(), ids=LEDGERS)
def test_relation_of_another_role_in_the_warehouse_is_not_read(as_stranger, warehouse_database, statement, monkeypatch):
    """Before the first load it may take the name of the ledger; Postgres evaluates an index when it plans a query."""
    stranger = as_stranger(warehouse_database)
    stranger.execute(FUNCTION + statement)
    stranger.execute(f"GRANT ALL ON public.{LEDGER} TO PUBLIC")
    login, called = login_of(warehouse_database), []
    connect = psycopg.connect

    def connect_and_listen(*arguments, **named):
        connection = connect(*arguments, **named)
        connection.add_notice_handler(lambda notice: called.append(notice.message_primary))
        return connection

    monkeypatch.setattr(psycopg, "connect", connect_and_listen)

    def load():
        with open_warehouse(login, "jr_1") as owner:
            shape.apply(owner)

    def compare():
        with open_state(Postgres(login)):
            pass

    for run in (load, compare):
        with pytest.raises(WarehouseOwnerError, match=f"{LEDGER} belongs to {STRANGER}"):
            run()
    assert called == []

    for module in (shape, warehouse_state):
        monkeypatch.setattr(module, "checked_relations", lambda _: {LEDGER})
    for run in (load, compare):
        with suppress(psycopg.Error, WarehouseTablesError, WarehouseDefinitionError):
            run()
    assert f"called by {login.user}" in called


@pytest.mark.parametrize("grantor", ["stranger", "trusted group", "superuser", "owner"])
def test_membership_that_another_role_granted_is_no_trust(as_stranger, postgres_server, warehouse_database, grantor):
    """Who administers a group can make the owner a member of it; up to Postgres 14 every role administers itself."""
    login = login_of(warehouse_database)
    database = login.database
    groups = [sql.Identifier(f"{name}_{database}") for name in ("outer", "inner")]
    outer, inner = groups
    owner, stranger = sql.Identifier(login.user), sql.Identifier(STRANGER)

    def execute(connection, statement, **names):
        connection.execute(sql.SQL(statement).format(**names))

    strangers = as_stranger(warehouse_database)
    with psycopg.connect(superuser(postgres_server, database), autocommit=True) as admin:
        for group in groups:
            execute(admin, "CREATE ROLE {group}", group=group)
            execute(admin, "GRANT CREATE, USAGE ON SCHEMA public TO {group}", group=group)
        administrator = owner if grantor == "owner" else stranger
        execute(admin, "GRANT {inner} TO {role} WITH ADMIN OPTION", inner=inner, role=administrator)
        execute(admin, "GRANT {outer} TO {owner}", outer=outer, owner=owner)
        with psycopg.connect(warehouse_database, autocommit=True) as owners:
            by = {"superuser": admin, "owner": owners}.get(grantor, strangers)
            member = outer if grantor in ("trusted group", "owner") else owner
            execute(by, "GRANT {inner} TO {member}", inner=inner, member=member)
        execute(admin, "CREATE TABLE public.{ledger} (rows jsonb)", ledger=sql.Identifier(LEDGER))
        execute(admin, "ALTER TABLE public.{ledger} OWNER TO {inner}", ledger=sql.Identifier(LEDGER), inner=inner)

    try:
        with open_warehouse(login, "jr_1") as connection:
            if grantor in ("superuser", "owner"):
                assert checked_relations(connection) == {LEDGER}
            else:
                with pytest.raises(WarehouseOwnerError, match=f"{LEDGER} belongs to inner_"):
                    checked_relations(connection)
            assert connection.execute("SELECT pg_has_role(%s, 'USAGE')", (f"inner_{database}",)).fetchone() == (True,)
    finally:
        with psycopg.connect(superuser(postgres_server, database), autocommit=True) as admin:
            for group in groups:
                execute(admin, "DROP OWNED BY {group}; DROP ROLE {group}", group=group)


def test_table_of_another_role_does_not_take_the_place_of_a_lost_one(as_stranger, warehouse_database, monkeypatch):
    """A rebuild checks the owners before it copies for minutes; its trigger would run with the owner's permissions."""
    stranger = as_stranger(warehouse_database)
    with open_warehouse(login_of(warehouse_database), "jr_1") as owner:
        shape.apply(owner)
        owner.execute(LOADED)
        owner.execute("DROP TABLE public.fact_payment CASCADE")
        shape.apply(owner, rebuild=True)
        stranger.execute(FACT_OF_ITS_OWN)
        with pytest.raises(WarehouseOwnerError, match=f"fact_payment belongs to {STRANGER}"), owner.transaction():
            shape.empty(owner)

        called = []
        owner.add_notice_handler(lambda notice: called.append(notice.message_primary))
        monkeypatch.setattr(shape, "checked_relations", lambda _: None)
        with suppress(WarehouseDefinitionError), owner.transaction():
            shape.empty(owner)
        assert called == [f"called by {owner.info.user}"]


def test_trigger_of_a_table_that_references_the_ledger_is_not_called(as_stranger, warehouse_database):
    """Up to Postgres 17 a trigger of a cascading deletion runs with the permissions of the role that deletes."""
    stranger = as_stranger(warehouse_database)
    with open_warehouse(login_of(warehouse_database), "jr_1") as owner:
        shape.apply(owner)
        owner.execute(LOADED)
        owner.execute(f"GRANT REFERENCES ON public.{LEDGER} TO {STRANGER}")
        stranger.execute(REFERENCE)
        called = []
        owner.add_notice_handler(lambda notice: called.append(notice.message_primary))
        with owner.transaction(force_rollback=True):
            ledger.delete_entries(owner)
        by = owner.info.user if owner.info.server_version < 180000 else STRANGER
        assert called == [f"called by {by}"]

        with (
            pytest.raises(WarehouseReferenceError, match=f"of public.referring references {LEDGER}"),
            owner.transaction(),
        ):
            shape.empty(owner)


def test_staging_schema_of_another_role_is_not_used(as_stranger, postgres_server, warehouse_database, monkeypatch):
    """Its owner can replace a staging table by a view, whose functions would run with the owner's permissions."""
    stranger = as_stranger(warehouse_database)
    database = login_of(warehouse_database).database
    with psycopg.connect(superuser(postgres_server, database)) as admin:
        names = [sql.Identifier(name) for name in (database, STRANGER)]
        admin.execute(sql.SQL("GRANT CREATE ON DATABASE {} TO {}").format(*names))
    with open_warehouse(login_of(warehouse_database), "jr_1") as owner:
        shape.apply(owner)
        (comment,) = owner.execute(shape._COMMENT, (STAGING_SCHEMA,)).fetchone()
        owner.execute("DROP SCHEMA staging CASCADE")
        stranger.execute("CREATE SCHEMA staging; GRANT ALL ON SCHEMA staging TO PUBLIC")
        stranger.execute(sql.SQL("COMMENT ON SCHEMA staging IS {}").format(comment))
        for rebuild in (False, True):
            with pytest.raises(WarehouseOwnerError, match=f"staging belongs to {STRANGER}"):
                shape.apply(owner, rebuild=rebuild)

        called = []
        owner.add_notice_handler(lambda notice: called.append(notice.message_primary))
        monkeypatch.setattr(shape, "checked_relations", lambda _: {*STAR_TABLES, LEDGER})
        shape.apply(owner)
        with staging.staging_tables(owner, [STAR_TABLES["dim_currency"]], "test") as staged:
            stranger.execute(FUNCTION + "DROP TABLE staging.dim_currency_test")
            stranger.execute("CREATE VIEW staging.dim_currency_test AS SELECT 1 WHERE public.same(1) = 1")
            stranger.execute("GRANT SELECT ON staging.dim_currency_test TO PUBLIC")
            assert staging.count(owner, staged["dim_currency"]) == 1
            stranger.execute("DROP VIEW staging.dim_currency_test")
        assert called == [f"called by {owner.info.user}"]

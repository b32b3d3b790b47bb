"""The ingest stage on the inputs of `tests.jobs.inputs`.

All run in sequence on one totesys and one lake, so each starts from the state that the previous one left.
"""

import psycopg
import pytest

from tests.jobs.inputs import INPUTS, SUPERUSER, UNDECLARED_VALUES
from tests.postgres_servers import as_role
from totelake.lake.scan import Scan
from totelake.lake.versions import is_deleted, latest_versions
from totelake.tables import SOURCE_TABLES
from totesys.roles import READER


@pytest.fixture(scope="module")
def lake(shared_lake, shared_reader):
    """Return a lake with a first batch."""
    shared_lake.ingest(shared_reader)
    return shared_lake


@pytest.fixture
def admin(shared_totesys):
    """Return a superuser's connection to totesys; reset the reader's settings afterwards."""
    with psycopg.connect(as_role(shared_totesys, SUPERUSER), autocommit=True) as connection:
        yield connection
        connection.execute(for_reader("{role} RESET ALL", connection))


def for_reader(statement, connection):
    """Return a statement that alters the reader's settings in this database only: other tests share the role."""
    return statement.replace("{role}", f"ALTER ROLE {READER} IN DATABASE {connection.info.dbname}")


@pytest.mark.parametrize("given", INPUTS, ids=str)
def test_input_is_ingested_exactly_or_rejected_by_name(given, lake, shared_reader, admin):
    """Nothing of a rejected input is committed."""
    for statement in given.before:
        admin.execute(statement)
    lake.ingest(shared_reader)
    committed = len(lake.ingested_batches())

    for step in given.change:
        admin.execute(for_reader(step, admin))
        if given.rejection:
            error, message = given.rejection
            with pytest.raises(error, match=message):
                lake.ingest(shared_reader)
            assert len(lake.ingested_batches()) == committed
            admin.execute(given.undo)
        lake.ingest(shared_reader)
        assert in_lake(lake, given.table) == in_totesys(admin, given.table)
    assert lake.ingest(shared_reader) is None

    if given.undo and not given.rejection:
        admin.execute(given.undo)


@pytest.mark.parametrize(("kind", "value"), UNDECLARED_VALUES.items(), ids=str)
def test_undeclared_column_is_ingested_as_text(kind, value, lake, shared_reader, admin):
    """Of any type and value: the lake does not need to know the type."""
    admin.execute(f"ALTER TABLE currency ADD COLUMN extra {kind}")
    admin.execute(f"UPDATE currency SET extra = {value} WHERE currency_id = 1")
    try:
        batch = lake.ingest(shared_reader)
        admin.execute("SET TimeZone = 'UTC'")
        [(text,)] = admin.execute("SELECT extra::text FROM currency WHERE currency_id = 1").fetchall()
        [row] = lake.rows(batch, "currency").collect()
    finally:
        admin.execute("ALTER TABLE currency DROP COLUMN extra")

    assert row.extra == text
    assert batch.tables["currency"].undeclared == ("extra",)


def in_lake(lake, table):
    """Return the latest version of each row of a table in the lake, each value as text."""
    declared = SOURCE_TABLES[table]
    latest = latest_versions(Scan(lake.spark, lake.ingested), declared, lake.ingested_files(table)).where(~is_deleted())
    return sorted(tuple(row) for row in latest.selectExpr(*map(_as_text, declared.columns)).collect())


def _as_text(column):
    if column.type.spark.startswith("decimal"):
        return f"rtrim('.', rtrim('0', string({column.name})))"
    return f"string({column.name})"


def in_totesys(connection, table):
    """Return the rows of a table in totesys by plain SQL, each value as text."""
    columns = ", ".join(
        f"trim_scale({column.name})::text" if column.type.spark.startswith("decimal") else f"{column.name}::text"
        for column in SOURCE_TABLES[table].columns
    )
    return sorted(connection.execute(f"SELECT {columns} FROM {table}").fetchall())

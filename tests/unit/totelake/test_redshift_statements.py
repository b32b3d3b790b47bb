"""Every statement sent to Redshift, checked against its dialect and the limits of the Data API."""

import pytest
from sqlglot import exp
from typer.testing import CliRunner

from local_aws.redshift import check
from ops.cli.commands import app
from totelake.lake.batches import ProcessedTable
from totelake.reconcile import expected, uniqueness
from totelake.reconcile.compare import _DUPLICATES, _RANGES, _ROWS_OF_RANGE, _SOME_ROWS
from totelake.reconcile.dialects import REDSHIFT_AS_TEXTS
from totelake.runtime.error_mapping import explain_message
from totelake.runtime.errors import DatabaseInterruptedError, DatabaseRefusedError
from totelake.tables import STAR_TABLES
from totelake.tables.ledger import LEDGER
from totelake.warehouse.ledger import NOTHING_LOADED
from totelake.warehouse.lost_tables import non_empty
from totelake.warehouse.redshift import ddl, definition, ledger, shape, transaction
from totelake.warehouse.redshift.data_api import MAX_STATEMENTS

PARTS = {table: [ProcessedTable("tables/x/batch_id=a/", 7, 1)] for table in STAR_TABLES.values()}
ROLE = "arn:aws:iam::123456789012:role/copy"
MAX_STATEMENT_BYTES = 100 * 1024


def steps(*, full_refresh):
    """Return the transaction of a load that has rows for every table."""
    manifests = dict.fromkeys(PARTS, "s3://bucket/temporary/x.manifest")
    entries = "s3://bucket/temporary/ledger.manifest"
    return [
        *transaction.opening(NOTHING_LOADED),
        *transaction.copies(ROLE, manifests),
        *transaction.merging(PARTS, ROLE, entries, full_refresh=full_refresh),
    ]


def comparisons():
    """Return the queries of a comparison of every table."""
    for table in expected.TABLES:
        form, rows = REDSHIFT_AS_TEXTS, expected.in_redshift(table)
        key = definition.listed([table.natural_key[0]])
        yield _RANGES.format(key=key, bits=12, hash=form.hash(table), rows=rows)
        yield _DUPLICATES.format(key=key, rows=rows, is_unique=uniqueness.in_redshift(table))
        yield _ROWS_OF_RANGE.format(key=key, text=form.text(table), rows=rows, first=0, last=9)
        yield _SOME_ROWS.format(values=form.values(table), rows=rows, key=key, keys=1)


SENT = [
    *definition.statements(),
    *(step.statement for full_refresh in (False, True) for step in steps(full_refresh=full_refresh)),
    *comparisons(),
    *(shape._COLUMNS, shape._RELATIONS, shape._COMMENT),
    *(ledger._EXISTS, ledger._LAST, ledger.delete_entries(), ledger.rows_of_entries()),
    *(non_empty([LEDGER]), non_empty([LEDGER, *STAR_TABLES])),
    *(transaction.duplicates(table, full_refresh=full_refresh) for table in PARTS for full_refresh in (False, True)),
]


def test_every_statement_is_valid_redshift_sql():
    """Every one is parsed by sqlglot except LOCK, which it treats as an opaque command."""
    commands = [text for each in SENT if isinstance(check(text := each.as_string()), exp.Command)]
    assert set(commands) == {'LOCK "public"."load_ledger"'}
    assert len(SENT) > 200


@pytest.mark.parametrize("full_refresh", [False, True], ids=["next batch", "full refresh"])
def test_load_with_rows_for_every_table_is_one_transaction(full_refresh):
    """Within the Data API's limits of statements per batch and bytes per statement."""
    assert len(steps(full_refresh=full_refresh)) <= MAX_STATEMENTS
    assert max(len(each.as_string().encode()) for each in SENT) < MAX_STATEMENT_BYTES


def test_load_locks_the_ledger_before_its_first_read():
    """LOCK takes no snapshot, every other statement does."""
    first, second, *_ = steps(full_refresh=False)
    assert (first.purpose, second.purpose) == (transaction.Purpose.LOCK, transaction.Purpose.LEDGER_UNCHANGED)


@pytest.mark.parametrize("table", STAR_TABLES.values(), ids=lambda table: table.name)
def test_distribution_and_sort_keys_are_columns_of_the_table(table):
    """A fact by its natural key, so that its versions share a node; a dimension is on every node."""
    tree = next(each for each in map(check, map(_text, definition.statements())) if _makes(each, table.name))
    style, *keys = (found.name for found in tree.find_all(exp.DistStyleProperty, exp.DistKeyProperty))
    sorted_by = [each.name for each in tree.find(exp.SortKeyProperty).this]
    names = {column.name for column in table.stored_columns}

    assert (style, keys) == (("KEY", [table.distributed_by]) if table.distributed_by else ("ALL", []))
    assert {*keys, *sorted_by} <= names
    assert not table.is_fact or table.distributed_by == table.natural_key[0]


def _text(statement):
    return statement.as_string()


def _makes(tree, table):
    return isinstance(tree, exp.Create) and tree.find(exp.Table).name == table and tree.find(exp.Table).db == "public"


def test_command_line_prints_the_definition_in_either_dialect():
    """For Redshift, exactly what a load executes."""
    printed = CliRunner().invoke(app, ["ddl", "--warehouse", "redshift"])
    assert printed.output == ddl()
    assert "DISTKEY" not in CliRunner().invoke(app, ["ddl"]).output
    assert CliRunner().invoke(app, ["ddl", "--warehouse", "redshift", "--apply"]).exit_code == 2


def test_text_columns_have_the_maximum_length():
    """Redshift's VARCHAR without a length has 256 bytes."""
    assert "VARCHAR NOT NULL" not in ddl()
    assert "VARCHAR," not in ddl()


def test_serialization_error_of_redshift_is_transient():
    """A missing privilege is not."""
    violation = "ERROR: 1023 Detail: Serializable isolation violation on table in Redshift"
    assert isinstance(explain_message("the warehouse", violation), DatabaseInterruptedError)
    assert isinstance(
        explain_message("the warehouse", "ERROR: permission denied for schema public"), DatabaseRefusedError
    )
    assert explain_message("the warehouse", 'ERROR: relation "x" does not exist') is None

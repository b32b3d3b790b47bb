"""Differences between discovered and declared tables."""

from totelake.drift.accepted import ACCEPTED, Accepted
from totelake.drift.differences import DriftKind, SchemaDifference, differences
from totelake.drift.discovered import DiscoveredTable
from totelake.runtime.errors import DriftError
from totelake.tables import BATCH_ID, SOURCE_TABLES, Column, SourceTable
from totelake.tables.model import INTEGER, VARCHAR

DESIGN = SourceTable("design", "A design.", ("id",), (Column("id", INTEGER, "Key."), Column("name", VARCHAR, "Name.")))
PLAIN = (("id", "int"), ("name", "string"), ("_op", "string"), ("_source_version", "bigint"))
KEYS = ((BATCH_ID.name, "string"),)
WITH_COLOUR = (*PLAIN, ("colour", "string"))


def differences_of(columns=PLAIN, keys=KEYS, committed=(), **batches):
    """Return the differences of the table design, discovered with `columns` at first and in `batches` later."""
    by_schema = {}
    for batch, schema in batches.items():
        by_schema.setdefault(schema, []).append(batch)
    return differences(
        {"design": DESIGN}, {"design": DiscoveredTable(columns, keys, by_schema)}, {"design": set(committed)}
    )


def test_declared_columns_are_no_difference():
    """Including lineage columns and the partition key."""
    assert differences_of(committed=("b1", "b2"), b1=PLAIN, b2=PLAIN) == []


def test_new_column_of_one_batch_is_reported_with_the_batch():
    """The table's columns are those of the first crawl, without it."""
    [difference] = differences_of(b1=PLAIN, b2=WITH_COLOUR)

    assert difference == SchemaDifference("design", DriftKind.UNDECLARED, "colour", "string", None, ("b2",))
    assert difference.describe() == "design.colour is not declared (string) in batch b2"


def test_column_in_several_batches_is_one_difference():
    """An undeclared column is in every later batch."""
    [difference] = differences_of(columns=WITH_COLOUR, b3=WITH_COLOUR, b1=PLAIN, b2=WITH_COLOUR)

    assert difference.describe() == "design.colour is not declared (string) in 2 batches, b2 to b3"


def test_new_column_of_a_table_without_batches_is_reported():
    """Once, for the table."""
    assert differences_of(columns=WITH_COLOUR) == [SchemaDifference("design", DriftKind.UNDECLARED, "colour", "string")]


def test_other_type_is_reported_with_the_declared_one():
    """Another width is another type."""
    [difference] = differences_of(b1=PLAIN, b2=(("id", "bigint"), *PLAIN[1:]))

    assert difference.describe() == "design.id has another type (bigint, declared int) in batch b2"


def test_removed_column_is_missing_and_a_later_one_is_not():
    """Batches from before a column's declaration never have it."""
    without = (PLAIN[0], *PLAIN[2:])

    assert differences_of(b1=without, b2=PLAIN) == []
    [difference] = differences_of(b1=without, b2=PLAIN, b3=without)
    assert difference == SchemaDifference("design", DriftKind.MISSING, "name", None, "string", ("b3",))


def test_other_partition_keys_are_reported():
    """A folder with another name between table and files."""
    [difference] = differences_of(keys=(("day", "string"),))

    assert difference.describe() == "design is partitioned in another way (day string, declared batch_id string)"


def test_committed_batch_skipped_by_the_crawler_is_reported():
    """Glue adds no partition whose columns are incompatible with the table's."""
    assert differences_of(committed=("b1", "b2"), b1=PLAIN) == [
        SchemaDifference("design", DriftKind.LEFT_OUT, batches=("b2",))
    ]


def test_undiscovered_table_is_reported_if_it_has_a_batch():
    """A source table without rows has no files."""
    assert differences({"design": DESIGN}, {}, {"design": set()}) == []
    assert differences({"design": DESIGN}, {}, {"design": {"b1"}}) == [
        SchemaDifference("design", DriftKind.LEFT_OUT, batches=("b1",))
    ]


def test_undeclared_table_is_reported():
    """It was written by another principal with access to the bucket."""
    [difference] = differences({}, {"unknown": DiscoveredTable(PLAIN, KEYS, {})}, {})

    assert difference.describe() == "unknown is not declared"


def test_accepted_difference_is_one_column_of_one_type():
    """The same column with another type is reported."""
    accepted = Accepted("design", "colour", "string", "Nobody reports on it.")

    assert accepted.covers(SchemaDifference("design", DriftKind.UNDECLARED, "colour", "string", None, ("b2",)))
    assert not accepted.covers(SchemaDifference("design", DriftKind.UNDECLARED, "colour", "int", None, ("b3",)))
    assert not accepted.covers(SchemaDifference("staff", DriftKind.UNDECLARED, "colour", "string", None, ("b3",)))


def test_only_columns_of_declared_tables_are_accepted():
    """Each with a reason."""
    assert all(one.table in SOURCE_TABLES and one.reason for one in ACCEPTED)


def test_error_lists_five_differences_and_counts_the_others():
    """So that a mail stays readable."""
    message = str(DriftError([f"design.c{number} is not declared" for number in range(8)]))

    assert "design.c4 is not declared; and 3 more" in message
    assert "design.c5" not in message
    assert "totelake/tables/sources.py" in message

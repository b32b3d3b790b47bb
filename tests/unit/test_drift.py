"""Drift, as it is judged: what was found against what is declared."""

from totelake.drift.accepted import ACCEPTED, Accepted
from totelake.drift.differences import Difference, Fault, differences
from totelake.drift.discovered import FoundTable
from totelake.runtime.errors import DriftError
from totelake.tables import BATCH_ID, SOURCE_TABLES, Column, SourceTable
from totelake.tables.model import INTEGER, VARCHAR

DESIGN = SourceTable("design", "A design.", ("id",), (Column("id", INTEGER, "Key."), Column("name", VARCHAR, "Name.")))
PLAIN = (("id", "int"), ("name", "string"), ("_op", "string"), ("_source_version", "bigint"))
KEYS = ((BATCH_ID.name, "string"),)
WITH_COLOUR = (*PLAIN, ("colour", "string"))


def judged(columns=PLAIN, keys=KEYS, committed=(), **batches):
    """Return the differences of the table design, found with `columns` at first and then in `batches`."""
    by_schema = {}
    for batch, schema in batches.items():
        by_schema.setdefault(schema, []).append(batch)
    return differences({"design": DESIGN}, {"design": FoundTable(columns, keys, by_schema)}, {"design": set(committed)})


def test_what_is_as_declared_has_no_difference():
    """Lineage columns and partition key included."""
    assert judged(committed=("b1", "b2"), b1=PLAIN, b2=PLAIN) == []


def test_a_new_column_of_one_batch_is_named_with_the_batch():
    """The table's own columns are those of the first crawl and do not show it."""
    [difference] = judged(b1=PLAIN, b2=WITH_COLOUR)

    assert difference == Difference("design", Fault.UNDECLARED, "colour", "string", None, ("b2",))
    assert difference.told() == "design.colour is not declared (string) in batch b2"


def test_a_column_is_one_difference_in_however_many_batches():
    """A column that nobody declares is in every batch from then on."""
    [difference] = judged(columns=WITH_COLOUR, b3=WITH_COLOUR, b1=PLAIN, b2=WITH_COLOUR)

    assert difference.told() == "design.colour is not declared (string) in 2 batches, b2 to b3"


def test_a_new_column_of_a_table_without_batches_is_found_too():
    """It is told once by the table where no batch tells it."""
    assert judged(columns=WITH_COLOUR) == [Difference("design", Fault.UNDECLARED, "colour", "string")]


def test_another_type_is_told_beside_the_declared_one():
    """Another width counts."""
    [difference] = judged(b1=PLAIN, b2=(("id", "bigint"), *PLAIN[1:]))

    assert difference.told() == "design.id has another type (bigint, declared int) in batch b2"


def test_a_column_that_vanished_is_missing_and_one_that_was_not_there_yet_is_not():
    """Batches from before the declaration of a column never get it."""
    without = (PLAIN[0], *PLAIN[2:])

    assert judged(b1=without, b2=PLAIN) == []
    [difference] = judged(b1=without, b2=PLAIN, b3=without)
    assert difference == Difference("design", Fault.MISSING, "name", None, "string", ("b3",))


def test_other_partition_keys_are_told():
    """A folder of another name between table and files."""
    [difference] = judged(keys=(("day", "string"),))

    assert difference.told() == "design is partitioned in another way (day string, declared batch_id string)"


def test_a_committed_batch_that_the_crawler_left_out_is_told():
    """Glue adds no partition whose columns do not go with the table's."""
    assert judged(committed=("b1", "b2"), b1=PLAIN) == [Difference("design", Fault.LEFT_OUT, batches=("b2",))]


def test_a_table_that_was_not_found_is_told_when_it_has_a_batch():
    """A table of totesys without a row leaves nothing to be found."""
    assert differences({"design": DESIGN}, {}, {"design": set()}) == []
    assert differences({"design": DESIGN}, {}, {"design": {"b1"}}) == [
        Difference("design", Fault.LEFT_OUT, batches=("b1",))
    ]


def test_a_table_that_nobody_declared_is_told():
    """Whoever made it has the right to write into the bucket."""
    [difference] = differences({}, {"stranger": FoundTable(PLAIN, KEYS, {})}, {})

    assert difference.told() == "stranger is not declared"


def test_what_is_accepted_is_one_column_of_one_type():
    """The same column with another type is news."""
    accepted = Accepted("design", "colour", "string", "Nobody reports on it.")

    assert accepted.covers(Difference("design", Fault.UNDECLARED, "colour", "string", None, ("b2",)))
    assert not accepted.covers(Difference("design", Fault.UNDECLARED, "colour", "int", None, ("b3",)))
    assert not accepted.covers(Difference("staff", Fault.UNDECLARED, "colour", "string", None, ("b3",)))


def test_only_columns_of_declared_tables_are_accepted():
    """What is accepted is read, and names what there is."""
    assert all(one.table in SOURCE_TABLES and one.reason for one in ACCEPTED)


def test_the_error_tells_a_few_and_counts_the_others():
    """A mail has to be readable."""
    said = str(DriftError([f"design.c{number} is not declared" for number in range(8)]))

    assert "design.c4 is not declared; and 3 more" in said
    assert "design.c5" not in said
    assert "totelake/tables/sources.py" in said

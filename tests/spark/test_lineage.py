"""The declared lineage and rules of each column match the transforms and the rule checks."""

from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from pyspark.sql import functions as F  # noqa: N812 - Spark's own convention

from ops.generate.dictionary.bookkeeping import QUARANTINE_COLUMNS
from totelake.tables import SOURCE_TABLES, STAR_TABLES
from totelake.tables.lineage import LINEAGE, LOOKUPS, SOURCE_COLUMNS
from totelake.tables.model import DELETED_AT
from totelake.transform import quarantine, rules
from totelake.transform.star_tables import CALENDAR, TRANSFORMS

_FIRST = datetime(2025, 1, 1)
_BEFORE = {
    "int": 1,
    "string": "Gbp",
    "boolean": False,
    "timestamp_ntz": datetime(2024, 11, 21, 8, 5, 9, 7000),
    "decimal(38,18)": Decimal("2.50"),
}
_AFTER = {
    "int": 2,
    "string": "uSd",
    "boolean": True,
    "timestamp_ntz": datetime(2025, 1, 2, 3, 4, 5, 6000),
    "decimal(38,18)": Decimal("3.25"),
}
TABLES_FROM_TOTESYS = [name for name, table in STAR_TABLES.items() if table.source]


def values(table, of):
    """Return a row of the source table with one value for each type."""
    return {column.name: of[column.type.spark] for column in SOURCE_TABLES[table].columns}


@pytest.fixture
def star(rows):
    """Return a function that builds the row of a star table from each of several states of its source tables.

    In every table that is looked up, each state has a second row, with another key.
    """

    def make(name: str, states: list[dict[str, dict[str, object]]]) -> list[dict[str, object]]:
        lineages = [LINEAGE[f"{name}.{column.name}"] for column in STAR_TABLES[name].columns]
        keys = {(key.table.name, key.column.name) for lineage in lineages for key in lineage.through}
        source_rows: dict[str, list[dict[str, object]]] = {table: [] for table in TRANSFORMS[name].sources}
        driving, *joined = source_rows
        for number, state in enumerate(states):
            source_rows[driving].append(state[driving] | {DELETED_AT.name: _FIRST + timedelta(days=number)})
            for table in joined:
                [key] = SOURCE_TABLES[table].key
                source_rows[table] += [dict(state[table]), values(table, _AFTER) | {key: 3 - state[table][key]}]
            for table, column in keys:  # each state has its own keys
                for row in source_rows[table][-1:] if table == driving else source_rows[table][-2:]:
                    row[column] += 10 * number
        made = TRANSFORMS[name].function(*(rows(table, *source_rows[table]) for table in source_rows))
        return [row.asDict() for row in made.orderBy(DELETED_AT.name).collect()]

    return make


@pytest.mark.parametrize("name", TABLES_FROM_TOTESYS)
def test_column_depends_on_its_declared_sources_only(star, name):
    """Each source column is changed in turn; a changed lookup key swaps the two rows looked up."""
    before = {table: values(table, _BEFORE) for table in TRANSFORMS[name].sources}
    probes = [column for column in SOURCE_COLUMNS.values() if column.table.name in before]
    states = [
        before | {table: before[table] | {column.name: _AFTER[column.type.spark]}}
        for table, column in ((probe.table.name, probe.column) for probe in probes)
    ]
    unchanged, *made = star(name, [before, *states])

    columns = [column.name for column in STAR_TABLES[name].columns]
    changed = {
        probe.name: {column for column in columns if row[column] != unchanged[column]}
        for probe, row in zip(probes, made, strict=True)
    }
    declared = {
        probe.name: {column for column in columns if probe in LINEAGE[f"{name}.{column}"].sources} for probe in probes
    }
    assert changed == declared


@pytest.mark.parametrize("name", TABLES_FROM_TOTESYS)
def test_column_has_the_value_of_its_origin_unless_it_is_computed(star, name):
    """For a value and for NULL; the cast happens later, in the rule check."""
    complete = {table: values(table, _BEFORE) for table in TRANSFORMS[name].sources}
    keys = {key.column.name for column in STAR_TABLES[name].columns for key in LINEAGE[f"{name}.{column.name}"].through}
    empty = {
        table: {column: value if column in keys else None for column, value in row.items()}
        for table, row in complete.items()
    }
    states = [complete, empty]
    made = star(name, states)

    for column in STAR_TABLES[name].columns:
        origin = LINEAGE[f"{name}.{column.name}"].origin
        expected = [state[origin.table.name][origin.column.name] for state in states]
        same = [row[column.name] == value for row, value in zip(made, expected, strict=True)]
        assert all(same) != bool(column.computed), column.name


@pytest.mark.parametrize("name", STAR_TABLES)
def test_declared_rules_are_checked_and_no_others(rows, calendar, spark, monkeypatch, name):
    """For every column."""
    sources = TRANSFORMS[name].sources
    frames = [calendar() if source == CALENDAR else rows(source, {}) for source in sources]
    made = TRANSFORMS[name].function(*frames)
    if not STAR_TABLES[name].is_fact:
        made = made.withColumn("_ingested_sequence", F.lit(1))
    missing = {
        name: spark.createDataFrame([], f"{rules.REFERRED} int")
        for name in {column.references for column in STAR_TABLES[name].columns if column.references}
    }
    checked = set()
    violation = rules._Violation

    def recorded(condition, rule, column):
        checked.add((column.name, rule))
        return violation(condition, rule, column)

    monkeypatch.setattr(rules, "_Violation", recorded)
    rules.check_rules(made, STAR_TABLES[name], missing)

    declared = {
        (lineage.star.column.name, rule)
        for lineage in LINEAGE.values()
        if lineage.star.table.name == name
        for rule in lineage.rules
    } | {(lookup.reference.column.name, rule) for lookup in LOOKUPS[name] for rule in lookup.rules}
    assert checked == declared


def test_quarantined_rows_have_the_columns_of_the_dictionary(rows):
    """After the natural key of the table."""
    table = STAR_TABLES["fact_payment"]
    judged = rules.check_rules(TRANSFORMS[table.name].function(rows("payment", {})), table, {})

    lines = quarantine.lines(judged.withColumn(quarantine.SUPERSEDED, F.lit(False)), table)

    columns = {name: kind for name, (kind, _) in QUARANTINE_COLUMNS.items()}
    assert dict(lines.dtypes) == {"payment_id": "int", **columns}

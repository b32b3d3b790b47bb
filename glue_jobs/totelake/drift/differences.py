"""Schema drift: differences between the discovered and the declared tables. Pure functions."""

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from enum import StrEnum

from totelake.drift.discovered import DiscoveredTable, Schema
from totelake.tables import SourceTable


class DriftKind(StrEnum):
    """The kind of a difference, of a table or a column."""

    UNDECLARED = "is not declared"
    RETYPED = "has another type"
    MISSING = "is missing"
    PARTITIONED = "is partitioned in another way"
    LEFT_OUT = "was left out by the crawler"


@dataclass(frozen=True, slots=True)
class SchemaDifference:
    """A difference of a column, or of the table if `column` is None, in the `batches` with it, the oldest first."""

    table: str
    kind: DriftKind
    column: str | None = None
    discovered: str | None = None
    declared: str | None = None
    batches: tuple[str, ...] = ()

    def describe(self) -> str:
        """Return the description of the difference for messages."""
        name = f"{self.table}.{self.column}" if self.column else self.table
        types = ", ".join(filter(None, (self.discovered, self.declared and f"declared {self.declared}")))
        return f"{name} {self.kind}{f' ({types})' if types else ''}{_batch_range(self.batches)}"


def differences(
    declared: Mapping[str, SourceTable],
    discovered: Mapping[str, DiscoveredTable],
    committed: Mapping[str, AbstractSet[str]],
) -> list[SchemaDifference]:
    """Return the differences between the `discovered` and the `declared` tables.

    `committed` are the batches of each declared table that the crawler must have discovered.
    """
    all_differences = [
        SchemaDifference(name, DriftKind.UNDECLARED) for name in sorted(discovered.keys() - declared.keys())
    ]
    for name, table in declared.items():
        crawled: set[str] = set()
        if name in discovered:
            all_differences += _table_differences(table, discovered[name])
            crawled = {batch for batches in discovered[name].batches.values() for batch in batches}
        if left_out := sorted(committed.get(name, frozenset()) - crawled):
            all_differences.append(SchemaDifference(name, DriftKind.LEFT_OUT, batches=tuple(left_out)))
    return all_differences


def _table_differences(table: SourceTable, discovered: DiscoveredTable) -> Iterable[SchemaDifference]:
    keys = tuple((column.name, column.type.hive) for column in table.partition_columns)
    if discovered.partition_keys != keys:
        yield SchemaDifference(
            table.name, DriftKind.PARTITIONED, discovered=_listed(discovered.partition_keys), declared=_listed(keys)
        )
    declared = {column.name: column.type.hive for column in table.stored_columns}
    in_batches = [
        *_column_differences(table.name, declared, discovered.batches),
        *_missing_columns(table.name, declared, discovered.batches),
    ]
    yield from in_batches
    # The table's own columns are those of the first crawl: a column that they lack may have been declared later.
    reported = {difference.column for difference in in_batches}
    in_table = _column_differences(table.name, declared, {discovered.columns: []})
    yield from (difference for difference in in_table if difference.column not in reported)


def _column_differences(
    table: str, declared: Mapping[str, str], batches: Mapping[Schema, list[str]]
) -> Iterable[SchemaDifference]:
    """Yield the columns that are not declared or have another type, each with all of its batches."""
    where: dict[tuple[str, str], list[str]] = {}
    for schema, names in batches.items():
        for column, kind in schema:
            if declared.get(column) != kind:
                where.setdefault((column, kind), []).extend(names)
    for (column, kind), names in where.items():
        drift = DriftKind.RETYPED if column in declared else DriftKind.UNDECLARED
        yield SchemaDifference(table, drift, column, kind, declared.get(column), tuple(sorted(names)))


def _missing_columns(
    table: str, declared: Mapping[str, str], batches: Mapping[Schema, list[str]]
) -> Iterable[SchemaDifference]:
    """Yield the declared columns that a batch lacks and an earlier one has.

    Batches from before a column was declared do not have it.
    """
    for column, kind in declared.items():
        batches_with = [name for schema, names in batches.items() if column in dict(schema) for name in names]
        batches_without = [name for schema, names in batches.items() if column not in dict(schema) for name in names]
        first = min(batches_with, default="")
        if batches_with and (missing := sorted(name for name in batches_without if name > first)):
            yield SchemaDifference(table, DriftKind.MISSING, column, None, kind, tuple(missing))


def _listed(columns: Schema) -> str:
    return ", ".join(f"{name} {kind}" for name, kind in columns) or "nothing"


def _batch_range(batches: tuple[str, ...]) -> str:
    if len(batches) > 1:
        return f" in {len(batches)} batches, {batches[0]} to {batches[-1]}"
    return f" in batch {batches[0]}" if batches else ""

"""Drift: where what was found in the ingested bucket is not what is declared. Pure functions."""

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from enum import StrEnum

from totelake.drift.discovered import FoundTable, Schema
from totelake.tables import SourceTable


class Fault(StrEnum):
    """What is wrong with a table, or with a column of it."""

    UNDECLARED = "is not declared"
    RETYPED = "has another type"
    MISSING = "is missing"
    PARTITIONED = "is partitioned in another way"
    LEFT_OUT = "was left out by the crawler"


@dataclass(frozen=True, slots=True)
class Difference:
    """One difference: of a whole table where `column` is None, and in the `batches` that have it, the oldest first."""

    table: str
    fault: Fault
    column: str | None = None
    found: str | None = None
    declared: str | None = None
    batches: tuple[str, ...] = ()

    def told(self) -> str:
        """Return the difference as a person reads it."""
        name = f"{self.table}.{self.column}" if self.column else self.table
        types = ", ".join(filter(None, (self.found, self.declared and f"declared {self.declared}")))
        return f"{name} {self.fault}{f' ({types})' if types else ''}{_where(self.batches)}"


def differences(
    declared: Mapping[str, SourceTable], found: Mapping[str, FoundTable], committed: Mapping[str, AbstractSet[str]]
) -> list[Difference]:
    """Return where the tables that were `found` are not the `declared` ones.

    `committed` are the batches of each declared table that the crawler had to find.
    """
    told = [Difference(name, Fault.UNDECLARED) for name in sorted(found.keys() - declared.keys())]
    for name, table in declared.items():
        if name in found:
            told += _of_table(table, found[name])
        listed = {batch for batches in found[name].batches.values() for batch in batches} if name in found else set()
        if left_out := sorted(committed.get(name, frozenset()) - listed):
            told.append(Difference(name, Fault.LEFT_OUT, batches=tuple(left_out)))
    return told


def _of_table(table: SourceTable, found: FoundTable) -> Iterable[Difference]:
    keys = tuple((column.name, column.type.hive) for column in table.partition_columns)
    if found.partition_keys != keys:
        yield Difference(table.name, Fault.PARTITIONED, found=_named(found.partition_keys), declared=_named(keys))
    declared = {column.name: column.type.hive for column in table.stored_columns}
    of_batches = [*_unlike(table.name, declared, found.batches), *_vanished(table.name, declared, found.batches)]
    yield from of_batches
    # The table's own columns are those of the first crawl: what they lack may have been declared later.
    known = {difference.column for difference in of_batches}
    of_first = _unlike(table.name, declared, {found.columns: []})
    yield from (difference for difference in of_first if difference.column not in known)


def _unlike(table: str, declared: Mapping[str, str], batches: Mapping[Schema, list[str]]) -> Iterable[Difference]:
    """Yield the columns that are not declared, or not of that type; each with all batches that have it so."""
    where: dict[tuple[str, str], list[str]] = {}
    for schema, names in batches.items():
        for column, kind in schema:
            if declared.get(column) != kind:
                where.setdefault((column, kind), []).extend(names)
    for (column, kind), names in where.items():
        fault = Fault.RETYPED if column in declared else Fault.UNDECLARED
        yield Difference(table, fault, column, kind, declared.get(column), tuple(sorted(names)))


def _vanished(table: str, declared: Mapping[str, str], batches: Mapping[Schema, list[str]]) -> Iterable[Difference]:
    """Yield the declared columns that a batch lacks and an earlier one has.

    Batches from before a column was declared do not have it, and never will.
    """
    for column, kind in declared.items():
        having = [name for schema, names in batches.items() if column in dict(schema) for name in names]
        lacking = [name for schema, names in batches.items() if column not in dict(schema) for name in names]
        first = min(having, default="")
        if having and (vanished := sorted(name for name in lacking if name > first)):
            yield Difference(table, Fault.MISSING, column, None, kind, tuple(vanished))


def _named(columns: Schema) -> str:
    return ", ".join(f"{name} {kind}" for name, kind in columns) or "nothing"


def _where(batches: tuple[str, ...]) -> str:
    if len(batches) > 1:
        return f" in {len(batches)} batches, {batches[0]} to {batches[-1]}"
    return f" in batch {batches[0]}" if batches else ""

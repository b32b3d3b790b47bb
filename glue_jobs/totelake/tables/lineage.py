"""Column lineage between totesys and the star tables, from the declarations."""

from dataclasses import dataclass
from difflib import get_close_matches

from totelake.runtime.errors import UnknownColumnError
from totelake.tables import rules
from totelake.tables.model import Column, SourceTable, StarTable, Type
from totelake.tables.sources import SOURCE_TABLES
from totelake.tables.stars import STAR_TABLES


@dataclass(frozen=True, slots=True)
class TableColumn[Table: SourceTable | StarTable]:
    """A column and its table."""

    table: Table
    column: Column

    @property
    def name(self) -> str:
        """The qualified name, `table.column`."""
        return f"{self.table.name}.{self.column.name}"


type SourceColumn = TableColumn[SourceTable]
type StarColumn = TableColumn[StarTable]


def matched_key(reference: str) -> str:
    """Return the name of the column with the key that a lookup by `reference` matched, NULL without a match."""
    return f"_{reference}_found"


@dataclass(frozen=True, slots=True)
class Lookup:
    """The join from a star's source table to another source table: the foreign key and the key that it references."""

    reference: SourceColumn
    key: SourceColumn

    @property
    def matched_key(self) -> str:
        """The column, in addition to those of the star, with the key that the transform's lookup matched."""
        return matched_key(self.reference.column.name)

    @property
    def rules(self) -> dict[str, str]:
        """The rules of the foreign key, each with its requirement."""
        column = self.reference.column
        return rules.declared(column, column.type)


@dataclass(frozen=True, slots=True)
class Lineage:
    """The lineage of one column of a star table.

    `origin` is the totesys column that it is derived from, None if it has none. `lookup` is the join to the origin's
    table if that is not the source of the star.
    """

    star: StarColumn
    origin: SourceColumn | None = None
    lookup: Lookup | None = None

    @property
    def through(self) -> tuple[SourceColumn, ...]:
        """The two keys of the lookup, none if the origin is in the star's own source."""
        return (self.lookup.reference, self.lookup.key) if self.lookup else ()

    @property
    def sources(self) -> tuple[SourceColumn, ...]:
        """All totesys columns that affect its value."""
        return (self.origin, *self.through) if self.origin else ()

    @property
    def how(self) -> str:
        """The transformation of the origin: looked up, copied or renamed, computed, cast."""
        table, column = self.star.table, self.star.column
        if self.origin is None:
            return _without_origin(table, column)
        steps = [f"looked up through {self.lookup.reference.name}"] if self.lookup else []
        if column.computed:
            steps.append(f"computed: {column.computed}")
        elif column.name != self.origin.column.name:
            steps.append("renamed")
        if self.is_cast:
            steps.append(f"cast from {self.origin.column.type.hive} to {column.type.hive}")
        return ", ".join(steps or ["copied"])

    @property
    def is_cast(self) -> bool:
        """Whether the value of the origin is cast to another type."""
        return self.origin is not None and not self.star.column.computed and self._input_type != self.star.column.type

    @property
    def rules(self) -> dict[str, str]:
        """The rules of its values, each with its requirement; a surrogate key has none."""
        column = self.star.column
        return {} if column.name == self.star.table.surrogate else rules.declared(column, self._input_type)

    @property
    def _input_type(self) -> Type:
        column = self.star.column
        return column.type if column.computed or self.origin is None else self.origin.column.type


def _without_origin(table: StarTable, column: Column) -> str:
    if column.name == table.surrogate:
        return "numbered by the warehouse"
    return "added by the pipeline" if column in table.lineage else "computed: from the calendar"


def _lineage(table: StarTable, column: Column) -> Lineage:
    star = TableColumn(table, column)
    if not table.source or column not in table.columns:
        return Lineage(star)
    driving = SOURCE_TABLES[table.source]
    table_name, _, name = (column.origin or column.name).rpartition(".")
    origin = SOURCE_TABLES[table_name] if table_name else driving
    return Lineage(star, _column(origin, name), None if origin is driving else _lookup(driving, origin))


def _lookup(driving: SourceTable, referenced: SourceTable) -> Lookup:
    [reference] = [column for column in driving.columns if column.references == referenced.name]
    return Lookup(TableColumn(driving, reference), _column(referenced, referenced.key[0]))


def _column(table: SourceTable, name: str) -> SourceColumn:
    [column] = [column for column in table.columns if column.name == name]
    return TableColumn(table, column)


SOURCE_COLUMNS = {
    source.name: source
    for table in SOURCE_TABLES.values()
    for source in (TableColumn(table, column) for column in table.columns)
}
"""Every totesys column, by its qualified name `table.column`."""

LINEAGE = {
    lineage.star.name: lineage
    for table in STAR_TABLES.values()
    for lineage in (_lineage(table, column) for column in table.warehouse_columns)
}
"""The lineage of every warehouse column, by its qualified name `table.column`."""

LOOKUPS = {
    name: tuple(
        dict.fromkeys(lookup for column in table.columns if (lookup := LINEAGE[f"{name}.{column.name}"].lookup))
    )
    for name, table in STAR_TABLES.items()
}
"""The lookups of each star table."""


def rules_of_reference(source: SourceColumn) -> dict[str, str]:
    """Return the rules of the column `source` as the foreign key of lookups, none if it is in no lookup."""
    lookups = (lookup for lookups in LOOKUPS.values() for lookup in lookups if lookup.reference == source)
    return {rule: requirement for lookup in lookups for rule, requirement in lookup.rules.items()}


def dependents(source: SourceColumn) -> list[Lineage]:
    """Return the lineage of the star columns that depend on the column `source`."""
    return [lineage for lineage in LINEAGE.values() if source in lineage.sources]


def find(name: str) -> tuple[list[SourceColumn], list[Lineage]]:
    """Return the totesys and warehouse columns with the `name` `table.column`, or with that column name alone.

    The table may be a `current_…` view. Raises `UnknownColumnError`.
    """
    wanted = name.lower().removeprefix("current_")
    names = {full: full if "." in wanted else full.partition(".")[2] for full in (*SOURCE_COLUMNS, *LINEAGE)}
    sources = [source for full, source in SOURCE_COLUMNS.items() if names[full] == wanted]
    stars = [lineage for full, lineage in LINEAGE.items() if names[full] == wanted]
    if not (sources or stars):
        raise UnknownColumnError(name, get_close_matches(wanted, dict.fromkeys(names.values())))
    return sources, stars

"""Where the columns of the stars come from, and where those of totesys go, from the declarations."""

from dataclasses import dataclass
from difflib import get_close_matches

from totelake.runtime.errors import UnknownColumnError
from totelake.tables import rules
from totelake.tables.model import Column, SourceTable, StarTable, Type
from totelake.tables.sources import SOURCE_TABLES
from totelake.tables.stars import STAR_TABLES


@dataclass(frozen=True, slots=True)
class Place[Table: SourceTable | StarTable]:
    """A column in its table."""

    table: Table
    column: Column

    @property
    def name(self) -> str:
        """The column as `table.column`."""
        return f"{self.table.name}.{self.column.name}"


type SourceColumn = Place[SourceTable]
type StarColumn = Place[StarTable]


def found(reference: str) -> str:
    """Return the name of the column that holds the key found by the column `reference`, NULL where none was."""
    return f"_{reference}_found"


@dataclass(frozen=True, slots=True)
class Lookup:
    """The two keys that lead from a star's source to a table whose columns the star shows as well."""

    reference: SourceColumn
    key: SourceColumn

    @property
    def found(self) -> str:
        """The column, beside those of the star, in which a transform says which key was found."""
        return found(self.reference.column.name)

    @property
    def rules(self) -> dict[str, str]:
        """The rules that the reference has to keep, each with what it demands."""
        column = self.reference.column
        return rules.declared(column, column.type)


@dataclass(frozen=True, slots=True)
class Lineage:
    """Where a column of a star comes from.

    `origin` is the column of totesys whose value it shows, None where no column of totesys makes it. `lookup` leads to
    the table of the origin where that is not the source of the star.
    """

    star: StarColumn
    origin: SourceColumn | None = None
    lookup: Lookup | None = None

    @property
    def through(self) -> tuple[SourceColumn, ...]:
        """The two keys of the lookup, none where the origin is in the star's own source."""
        return (self.lookup.reference, self.lookup.key) if self.lookup else ()

    @property
    def sources(self) -> tuple[SourceColumn, ...]:
        """All columns of totesys that change it when they change."""
        return (self.origin, *self.through) if self.origin else ()

    @property
    def how(self) -> str:
        """What is done to the origin: looked up, copied or renamed, computed, cast."""
        table, column = self.star.table, self.star.column
        if self.origin is None:
            return _made(table, column)
        done = [f"looked up through {self.lookup.reference.name}"] if self.lookup else []
        if column.computed:
            done.append(f"computed: {column.computed}")
        elif column.name != self.origin.column.name:
            done.append("renamed")
        if self.is_cast:
            done.append(f"cast from {self.origin.column.type.hive} to {column.type.hive}")
        return ", ".join(done or ["copied"])

    @property
    def is_cast(self) -> bool:
        """Whether the value of the origin is put into another type."""
        return self.origin is not None and not self.star.column.computed and self._arriving != self.star.column.type

    @property
    def rules(self) -> dict[str, str]:
        """The rules that its values have to keep, each with what it demands; the warehouse's own number has none."""
        column = self.star.column
        return {} if column.name == self.star.table.surrogate else rules.declared(column, self._arriving)

    @property
    def _arriving(self) -> Type:
        column = self.star.column
        return column.type if column.computed or self.origin is None else self.origin.column.type


def _made(table: StarTable, column: Column) -> str:
    if column.name == table.surrogate:
        return "numbered by the warehouse"
    return "added by the pipeline" if column in table.lineage else "computed: from the calendar"


def _lineage(table: StarTable, column: Column) -> Lineage:
    star = Place(table, column)
    if not table.source or column not in table.columns:
        return Lineage(star)
    driving = SOURCE_TABLES[table.source]
    table_name, _, name = (column.origin or column.name).rpartition(".")
    shown = SOURCE_TABLES[table_name] if table_name else driving
    return Lineage(star, _column(shown, name), None if shown is driving else _lookup(driving, shown))


def _lookup(driving: SourceTable, shown: SourceTable) -> Lookup:
    [reference] = [column for column in driving.columns if column.references == shown.name]
    return Lookup(Place(driving, reference), _column(shown, shown.key[0]))


def _column(table: SourceTable, name: str) -> SourceColumn:
    [column] = [column for column in table.columns if column.name == name]
    return Place(table, column)


SOURCE_COLUMNS = {
    place.name: place
    for table in SOURCE_TABLES.values()
    for place in (Place(table, column) for column in table.columns)
}
"""Every column of totesys, by its name as `table.column`."""

LINEAGE = {
    lineage.star.name: lineage
    for table in STAR_TABLES.values()
    for lineage in (_lineage(table, column) for column in table.warehouse_columns)
}
"""Where every column of the warehouse comes from, by its name as `table.column`."""

LOOKUPS = {
    name: tuple(
        dict.fromkeys(lookup for column in table.columns if (lookup := LINEAGE[f"{name}.{column.name}"].lookup))
    )
    for name, table in STAR_TABLES.items()
}
"""The lookups that the rows of each star table are made with."""


def rules_of_reference(source: SourceColumn) -> dict[str, str]:
    """Return the rules that the column `source` has to keep for what stars look up by it, none where none does."""
    lookups = (lookup for lookups in LOOKUPS.values() for lookup in lookups if lookup.reference == source)
    return {rule: demanded for lookup in lookups for rule, demanded in lookup.rules.items()}


def shown_in(source: SourceColumn) -> list[Lineage]:
    """Return the columns of the stars that the column `source` changes."""
    return [lineage for lineage in LINEAGE.values() if source in lineage.sources]


def find(name: str) -> tuple[list[SourceColumn], list[Lineage]]:
    """Return the columns of totesys and of the warehouse that are called `name`: `table.column`, or the column alone.

    The table may be the view of what is current. Raises `UnknownColumnError`.
    """
    wanted = name.lower().removeprefix("current_")
    called = {full: full if "." in wanted else full.partition(".")[2] for full in (*SOURCE_COLUMNS, *LINEAGE)}
    sources = [place for full, place in SOURCE_COLUMNS.items() if called[full] == wanted]
    stars = [lineage for full, lineage in LINEAGE.items() if called[full] == wanted]
    if not (sources or stars):
        raise UnknownColumnError(name, get_close_matches(wanted, dict.fromkeys(called.values())))
    return sources, stars

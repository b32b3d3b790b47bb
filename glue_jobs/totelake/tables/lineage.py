"""Where the columns of the stars come from, and where those of totesys go, from the declarations."""

from dataclasses import dataclass
from difflib import get_close_matches

from totelake.errors import UnknownColumnError
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


@dataclass(frozen=True, slots=True)
class Lineage:
    """Where a column of a star comes from.

    `origin` is the column of totesys whose value it shows, None where no column of totesys makes it. `through` are the
    two keys that lead from the table's source to a table that is looked up.
    """

    star: StarColumn
    origin: SourceColumn | None = None
    through: tuple[SourceColumn, ...] = ()

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
        done = [f"looked up through {self.through[0].name}"] if self.through else []
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
    return Lineage(star, _column(shown, name), () if shown is driving else _keys(driving, shown))


def _keys(driving: SourceTable, shown: SourceTable) -> tuple[SourceColumn, ...]:
    [reference] = [column for column in driving.columns if column.references == shown.name]
    return Place(driving, reference), _column(shown, shown.key[0])


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

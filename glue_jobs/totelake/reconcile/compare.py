"""Two databases that should have equal rows: hashes over ranges of keys, then the very keys that differ."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum

from psycopg import sql

from totelake.reconcile import expected
from totelake.reconcile.sides import Row, Side
from totelake.tables import StarTable

# Keys in a range, as a power of two. Reading one again takes a few milliseconds.
RANGE_BITS = 12

_RANGES = sql.SQL("SELECT {key} >> {bits}, COUNT(*), SUM({hash}) FROM ({rows}) AS r GROUP BY 1")
_ROWS_OF_RANGE = sql.SQL("SELECT {key}, {text} FROM ({rows}) AS r WHERE {key} BETWEEN {first} AND {last}")
_SOME_ROWS = sql.SQL("SELECT {values} FROM ({rows}) AS r WHERE {key} IN ({keys})")

type Ranges = dict[int, tuple[int, int]]


class What(StrEnum):
    """How a row can differ."""

    MISSING = "missing in the warehouse"
    EXTRA = "only in the warehouse"
    DIFFERENT = "different"


@dataclass(frozen=True, slots=True)
class Version:
    """The version that a row of totesys has: the `table`, the row's `key` in it, and the row's 32-bit `xmin`."""

    table: str
    key: int
    xmin: int


@dataclass(frozen=True, slots=True)
class Difference:
    """A record that differs; `versions` are those of the rows of totesys that it is made of, where there are any."""

    key: int
    what: What
    versions: tuple[Version, ...] = ()


@dataclass(frozen=True)
class Comparison:
    """One star table on both sides, each at one snapshot of its database."""

    table: StarTable
    totesys: Side
    warehouse: Side

    def ranges(self) -> tuple[Ranges, Ranges]:
        """Return for each range of keys its rows and the sum of their hashes, in totesys and in the warehouse."""
        with ThreadPoolExecutor(2) as pool:
            in_totesys, in_warehouse = pool.map(self._ranges, (self.totesys, self.warehouse))
        return in_totesys, in_warehouse

    def differences(self, in_totesys: Ranges, in_warehouse: Ranges) -> Iterator[list[Difference]]:
        """Yield the records that differ, range by range, of what `ranges` returned."""
        differing = {place for place, _ in in_totesys.items() ^ in_warehouse.items()}
        for place in sorted(differing):
            yield self._differences(place)

    def differing_columns(self, keys: list[int]) -> dict[int, list[str]]:
        """Return, for those of `keys` that are on both sides, the columns whose values differ."""
        sides = [self._some_rows(side, side.rows_of(self.table), keys) for side in (self.totesys, self.warehouse)]
        names = [column.name for column in self.table.columns]
        return {
            key: [name for name, left, right in zip(names, row, sides[1][key], strict=True) if left != right]
            for key, row in sides[0].items()
            if key in sides[1]
        }

    @property
    def _key(self) -> sql.Identifier:
        return sql.Identifier("r", expected.key_of(self.table))

    def _ranges(self, side: Side) -> Ranges:
        rows, number = side.rows_of(self.table), side.form.hash(self.table)
        statement = _RANGES.format(key=self._key, bits=RANGE_BITS, hash=number, rows=rows)
        return {place: (count, int(total)) for place, count, total in side.run(statement)}

    def _differences(self, place: int) -> list[Difference]:
        in_totesys, in_warehouse = (self._rows_of_range(side, place) for side in (self.totesys, self.warehouse))
        differing = {key for key, _ in in_totesys.items() ^ in_warehouse.items()}
        versions = self._versions(sorted(differing & in_totesys.keys()))
        return [
            Difference(key, _what(in_totesys, in_warehouse, key), versions.get(key, ())) for key in sorted(differing)
        ]

    def _versions(self, keys: list[int]) -> dict[int, tuple[Version, ...]]:
        tables = expected.ORIGINS[self.table.name].tables
        found = self._some_rows(self.totesys, expected.versions_in_totesys(self.table), keys, sql.SQL("r.*"))
        return {
            key: tuple(
                Version(table, *part)
                for table, part in zip(tables, zip(rest[::2], rest[1::2], strict=True), strict=True)
            )
            for key, *rest in found.values()
        }

    def _rows_of_range(self, side: Side, place: int) -> dict[int, str]:
        statement = _ROWS_OF_RANGE.format(
            key=self._key,
            text=side.form.text(self.table),
            rows=side.rows_of(self.table),
            first=place << RANGE_BITS,
            last=((place + 1) << RANGE_BITS) - 1,
        )
        return dict(side.run(statement))

    def _some_rows(
        self, side: Side, rows: sql.Composable, keys: list[int], values: sql.Composable | None = None
    ) -> dict[int, Row]:
        """Return the `values` of those of `rows` whose key is among `keys`, by key; the key is the first of them."""
        if not keys:
            return {}
        statement = _SOME_ROWS.format(
            key=self._key,
            rows=rows,
            keys=sql.SQL(", ").join(map(sql.Literal, keys)),
            values=values or side.form.values(self.table),
        )
        return {row[0]: row for row in side.run(statement)}


def rows_of(ranges: Ranges) -> int:
    """Return how many rows the ranges of one side have."""
    return sum(rows for rows, _ in ranges.values())


def _what(in_totesys: dict[int, str], in_warehouse: dict[int, str], key: int) -> What:
    if key not in in_warehouse:
        return What.MISSING
    return What.DIFFERENT if key in in_totesys else What.EXTRA

"""Two databases that should have equal rows, one of each key: hashes over ranges of keys, then the keys that differ."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum

from psycopg import sql

from totelake.reconcile import expected
from totelake.reconcile.dialects import Row, Side
from totelake.runtime.errors import ComparisonError
from totelake.tables import StarTable

# Keys in a range, as a power of two. Reading one again takes a few milliseconds.
RANGE_BITS = 12

_RANGES = sql.SQL("SELECT {key} >> {bits}, COUNT(*), SUM({hash}) FROM ({rows}) AS r GROUP BY 1")
_DUPLICATES = sql.SQL("SELECT {key} FROM ({rows}) AS r WHERE NOT ({is_unique}) GROUP BY {key} HAVING COUNT(*) > 1")
_ROWS_OF_RANGE = sql.SQL("SELECT {key}, {text} FROM ({rows}) AS r WHERE {key} BETWEEN {first} AND {last}")
_SOME_ROWS = sql.SQL("SELECT {values} FROM ({rows}) AS r WHERE {key} IN ({keys})")

type Ranges = dict[int, tuple[int, int]]
type Read = tuple[Ranges, frozenset[int]]


class What(StrEnum):
    """How a row can differ."""

    MISSING = "missing in the warehouse"
    EXTRA = "only in the warehouse"
    DIFFERENT = "different"
    TWICE_IN_TOTESYS = "more than once in totesys"
    TWICE_IN_WAREHOUSE = "more than once in the warehouse"


@dataclass(frozen=True, slots=True)
class Version:
    """The version that a row of totesys has: the `table`, the row's `key` in it, and the row's 32-bit `xmin`.

    `xmin` is None where another row refers to the key and there is no such row.
    """

    table: str
    key: int
    xmin: int | None


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

    def read(self) -> tuple[Read, Read]:
        """Return what is found in totesys and in the warehouse.

        For each range of keys its rows and the sum of their hashes; and the keys that more than one row has. Raises
        `ComparisonError` when a side cannot be read, or has a row without a key.
        """
        with ThreadPoolExecutor(2) as pool:
            in_totesys, in_warehouse = pool.map(self._read, (self.totesys, self.warehouse))
        return in_totesys, in_warehouse

    def differences(self, in_totesys: Read, in_warehouse: Read) -> Iterator[list[Difference]]:
        """Yield the records that differ of what `read` returned: first keys with more rows, then range by range."""
        ((ranges, twice), (shown_ranges, shown_twice)) = in_totesys, in_warehouse
        yield [
            *(Difference(key, What.TWICE_IN_TOTESYS) for key in sorted(twice)),
            *(Difference(key, What.TWICE_IN_WAREHOUSE) for key in sorted(shown_twice)),
        ]
        for place in sorted({place for place, _ in ranges.items() ^ shown_ranges.items()}):
            yield [found for found in self._differences(place) if found.key not in twice | shown_twice]

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

    def _read(self, side: Side) -> Read:
        rows, number = side.rows_of(self.table), side.form.hash(self.table)
        statement = _RANGES.format(key=self._key, bits=RANGE_BITS, hash=number, rows=rows)
        ranges = {place: (count, int(total)) for place, count, total in side.rows(statement)}
        if None in ranges:
            count, _ = ranges[None]
            raise ComparisonError(side.name, f"{count} rows have no {expected.key_of(self.table)}")
        duplicates = _DUPLICATES.format(key=self._key, rows=rows, is_unique=side.is_unique(self.table))
        return ranges, frozenset(key for (key,) in side.rows(duplicates))

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
                Version(table, its_key, xmin)
                for table, its_key, xmin in zip(tables, rest[::2], rest[1::2], strict=True)
                if its_key is not None
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
        return dict(side.rows(statement))

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
        return {row[0]: row for row in side.rows(statement)}


def rows_of(read: Read) -> int:
    """Return how many rows one side has."""
    ranges, _ = read
    return sum(rows for rows, _ in ranges.values())


def _what(in_totesys: dict[int, str], in_warehouse: dict[int, str], key: int) -> What:
    if key not in in_warehouse:
        return What.MISSING
    return What.DIFFERENT if key in in_totesys else What.EXTRA

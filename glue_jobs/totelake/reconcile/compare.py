"""Compares a table in two databases: first counts and hashes over key ranges, then the rows of differing ranges."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum

from psycopg import sql

from totelake.reconcile import expected
from totelake.reconcile.dialects import Row, Side
from totelake.runtime.errors import ComparisonError
from totelake.tables import StarTable

# The size of a key range, as a power of two. Reading a range takes a few milliseconds.
RANGE_BITS = 12

_RANGES = sql.SQL("SELECT {key} >> {bits}, COUNT(*), SUM({hash}) FROM ({rows}) AS r GROUP BY 1")
_DUPLICATES = sql.SQL("SELECT {key} FROM ({rows}) AS r WHERE NOT ({is_unique}) GROUP BY {key} HAVING COUNT(*) > 1")
_ROWS_OF_RANGE = sql.SQL("SELECT {key}, {text} FROM ({rows}) AS r WHERE {key} BETWEEN {first} AND {last}")
_SOME_ROWS = sql.SQL("SELECT {values} FROM ({rows}) AS r WHERE {key} IN ({keys})")

type Ranges = dict[int, tuple[int, int]]
"""For each key range its number of rows and the sum of their hashes."""
type TableContent = tuple[Ranges, frozenset[int]]
"""The key ranges of a table, and its duplicate keys."""


class DifferenceKind(StrEnum):
    """The kind of a difference."""

    MISSING = "missing in the warehouse"
    EXTRA = "only in the warehouse"
    DIFFERENT = "different"
    DUPLICATE_IN_TOTESYS = "more than once in totesys"
    DUPLICATE_IN_WAREHOUSE = "more than once in the warehouse"


@dataclass(frozen=True, slots=True)
class SourceVersion:
    """The version of a totesys row: the `table`, the row's `key` in it, and the row's 32-bit `xmin`.

    `xmin` is None if the key is only referenced and has no row.
    """

    table: str
    key: int
    xmin: int | None


@dataclass(frozen=True, slots=True)
class RowDifference:
    """A record that differs; `versions` are those of the totesys rows that it comes from, if there are any."""

    key: int
    kind: DifferenceKind
    versions: tuple[SourceVersion, ...] = ()


@dataclass(frozen=True)
class Comparison:
    """The comparison of a star table on both sides, each at one snapshot of its database."""

    table: StarTable
    totesys: Side
    warehouse: Side

    def read(self) -> tuple[TableContent, TableContent]:
        """Return the content of the table in totesys and in the warehouse.

        Raises `ComparisonError` when a side cannot be read, or has a row without a key.
        """
        with ThreadPoolExecutor(2) as pool:
            in_totesys, in_warehouse = pool.map(self._read, (self.totesys, self.warehouse))
        return in_totesys, in_warehouse

    def differences(self, in_totesys: TableContent, in_warehouse: TableContent) -> Iterator[list[RowDifference]]:
        """Yield the records that differ between the results of `read`: first duplicate keys, then range by range."""
        (source_ranges, source_duplicates), (ranges, duplicates) = in_totesys, in_warehouse
        yield [
            *(RowDifference(key, DifferenceKind.DUPLICATE_IN_TOTESYS) for key in sorted(source_duplicates)),
            *(RowDifference(key, DifferenceKind.DUPLICATE_IN_WAREHOUSE) for key in sorted(duplicates)),
        ]
        excluded = source_duplicates | duplicates
        for number in sorted({number for number, _ in source_ranges.items() ^ ranges.items()}):
            yield [difference for difference in self._differences(number) if difference.key not in excluded]

    def differing_columns(self, keys: list[int]) -> dict[int, list[str]]:
        """Return the columns whose values differ, for those of `keys` that exist on both sides."""
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

    def _read(self, side: Side) -> TableContent:
        rows, number = side.rows_of(self.table), side.dialect.hash(self.table)
        statement = _RANGES.format(key=self._key, bits=RANGE_BITS, hash=number, rows=rows)
        ranges = {range_: (count, int(total)) for range_, count, total in side.rows(statement)}
        if None in ranges:
            count, _ = ranges[None]
            raise ComparisonError(side.name, f"{count} rows have no {expected.key_of(self.table)}")
        duplicates = _DUPLICATES.format(key=self._key, rows=rows, is_unique=side.is_unique(self.table))
        return ranges, frozenset(key for (key,) in side.rows(duplicates))

    def _differences(self, number: int) -> list[RowDifference]:
        in_totesys, in_warehouse = (self._rows_of_range(side, number) for side in (self.totesys, self.warehouse))
        differing = {key for key, _ in in_totesys.items() ^ in_warehouse.items()}
        versions = self._versions(sorted(differing & in_totesys.keys()))
        return [
            RowDifference(key, _kind(in_totesys, in_warehouse, key), versions.get(key, ())) for key in sorted(differing)
        ]

    def _versions(self, keys: list[int]) -> dict[int, tuple[SourceVersion, ...]]:
        tables = expected.ORIGINS[self.table.name].tables
        rows = self._some_rows(self.totesys, expected.versions_in_totesys(self.table), keys, sql.SQL("r.*"))
        return {
            key: tuple(
                SourceVersion(table, its_key, xmin)
                for table, its_key, xmin in zip(tables, rest[::2], rest[1::2], strict=True)
                if its_key is not None
            )
            for key, *rest in rows.values()
        }

    def _rows_of_range(self, side: Side, number: int) -> dict[int, str]:
        statement = _ROWS_OF_RANGE.format(
            key=self._key,
            text=side.dialect.text(self.table),
            rows=side.rows_of(self.table),
            first=number << RANGE_BITS,
            last=((number + 1) << RANGE_BITS) - 1,
        )
        return dict(side.rows(statement))

    def _some_rows(
        self, side: Side, rows: sql.Composable, keys: list[int], values: sql.Composable | None = None
    ) -> dict[int, Row]:
        """Return the `values` of the `rows` whose key is among `keys`, by key; the first value is the key."""
        if not keys:
            return {}
        statement = _SOME_ROWS.format(
            key=self._key,
            rows=rows,
            keys=sql.SQL(", ").join(map(sql.Literal, keys)),
            values=values or side.dialect.values(self.table),
        )
        return {row[0]: row for row in side.rows(statement)}


def rows_of(read: TableContent) -> int:
    """Return the number of rows of one side."""
    ranges, _ = read
    return sum(rows for rows, _ in ranges.values())


def _kind(in_totesys: dict[int, str], in_warehouse: dict[int, str], key: int) -> DifferenceKind:
    if key not in in_warehouse:
        return DifferenceKind.MISSING
    return DifferenceKind.DIFFERENT if key in in_totesys else DifferenceKind.EXTRA

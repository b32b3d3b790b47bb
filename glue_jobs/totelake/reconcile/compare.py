"""Two databases that should have equal rows: hashes over ranges of keys, then the very keys that differ."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import psycopg
from psycopg import sql

from totelake.reconcile import expected
from totelake.tables import StarTable

# Keys in a range, as a power of two. Reading one again takes a few milliseconds.
RANGE_BITS = 12

# A record's text tells NULL from an empty text, and where one value ends from where the next begins. Should the hash
# ever differ between two versions of Postgres, every range is read again, and no more than that.
_HASH = sql.SQL("hashtextextended(r::text, 0)")
_RANGES = sql.SQL("SELECT {key} >> {bits}, count(*), sum({hash}) FROM ({rows}) AS r GROUP BY 1")
_ROWS_OF_RANGE = sql.SQL("SELECT {key}, r::text FROM ({rows}) AS r WHERE {key} BETWEEN %s AND %s")
_SOME_ROWS = sql.SQL("SELECT * FROM ({rows}) AS r WHERE {key} = ANY(%s)")

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
    """One star table on both sides: a connection to each database, at one snapshot each."""

    table: StarTable
    totesys: psycopg.Connection[Any]
    warehouse: psycopg.Connection[Any]

    def ranges(self) -> tuple[Ranges, Ranges]:
        """Return for each range of keys its rows and the sum of their hashes, in totesys and in the warehouse."""
        with ThreadPoolExecutor(2) as pool:
            sides = (
                (self.totesys, expected.in_totesys(self.table)),
                (self.warehouse, expected.in_warehouse(self.table)),
            )
            in_totesys, in_warehouse = pool.map(lambda side: self._ranges(*side), sides)
        return in_totesys, in_warehouse

    def differences(self, in_totesys: Ranges, in_warehouse: Ranges) -> Iterator[list[Difference]]:
        """Yield the records that differ, range by range, of what `ranges` returned."""
        differing = {place for place, _ in in_totesys.items() ^ in_warehouse.items()}
        for place in sorted(differing):
            yield self._differences(place)

    def differing_columns(self, keys: list[int]) -> dict[int, list[str]]:
        """Return, for those of `keys` that are on both sides, the columns whose values differ."""
        sides = [
            self._some_rows(self.totesys, expected.in_totesys(self.table), keys),
            self._some_rows(self.warehouse, expected.in_warehouse(self.table), keys),
        ]
        names = [column.name for column in self.table.columns]
        return {
            key: [name for name, left, right in zip(names, row, sides[1][key], strict=True) if left != right]
            for key, row in sides[0].items()
            if key in sides[1]
        }

    @property
    def _key(self) -> sql.Identifier:
        return sql.Identifier("r", expected.key_of(self.table))

    def _ranges(self, connection: psycopg.Connection[Any], rows: sql.Composed) -> Ranges:
        statement = _RANGES.format(key=self._key, bits=RANGE_BITS, hash=_HASH, rows=rows)
        return {place: (count, int(total)) for place, count, total in connection.execute(statement)}

    def _differences(self, place: int) -> list[Difference]:
        bounds = (place << RANGE_BITS, ((place + 1) << RANGE_BITS) - 1)
        in_totesys, in_warehouse = (
            dict(connection.execute(_ROWS_OF_RANGE.format(key=self._key, rows=rows), bounds).fetchall())
            for connection, rows in (
                (self.totesys, expected.in_totesys(self.table)),
                (self.warehouse, expected.in_warehouse(self.table)),
            )
        )
        differing = {key for key, _ in in_totesys.items() ^ in_warehouse.items()}
        versions = self._versions(sorted(differing & in_totesys.keys()))
        return [
            Difference(key, _what(in_totesys, in_warehouse, key), versions.get(key, ())) for key in sorted(differing)
        ]

    def _versions(self, keys: list[int]) -> dict[int, tuple[Version, ...]]:
        tables = expected.ORIGINS[self.table.name].tables
        found = self._some_rows(self.totesys, expected.versions_in_totesys(self.table), keys)
        return {
            key: tuple(
                Version(table, *part)
                for table, part in zip(tables, zip(rest[::2], rest[1::2], strict=True), strict=True)
            )
            for key, *rest in found.values()
        }

    def _some_rows(
        self, connection: psycopg.Connection[Any], rows: sql.Composed, keys: list[int]
    ) -> dict[int, tuple[Any, ...]]:
        statement = _SOME_ROWS.format(key=self._key, rows=rows)
        return {row[0]: row for row in connection.execute(statement, (keys,))}


def rows_of(ranges: Ranges) -> int:
    """Return how many rows the ranges of one side have."""
    return sum(rows for rows, _ in ranges.values())


def _what(in_totesys: dict[int, str], in_warehouse: dict[int, str], key: int) -> What:
    if key not in in_warehouse:
        return What.MISSING
    return What.DIFFERENT if key in in_totesys else What.EXTRA

"""Rows of totesys, written by the names of their columns."""

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from random import Random
from typing import Any

import psycopg
from psycopg import sql

from totesys.errors import NotSeededError

type Columns = Mapping[str, Any]


class TotesysTables:
    """The tables of totesys through one connection; values are always parameters, names always quoted."""

    def __init__(self, connection: psycopg.Connection) -> None:
        """Write through `connection`."""
        self.connection = connection
        self._known: dict[str, list[int]] = {}

    def transaction(self) -> AbstractContextManager[object]:
        """Return a transaction of its own in autocommit, unless one was begun; else join the connection's."""
        idle = self.connection.info.transaction_status == psycopg.pq.TransactionStatus.IDLE
        return self.connection.transaction() if self.connection.autocommit and idle else nullcontext()

    def insert(self, table: str, columns: Columns) -> int:
        """Insert a row and return its id."""
        statement = sql.SQL("INSERT INTO {} ({}) VALUES ({}) RETURNING {}").format(
            sql.Identifier(table),
            sql.SQL(", ").join(map(sql.Identifier, columns)),
            sql.SQL(", ").join([sql.Placeholder()] * len(columns)),
            sql.Identifier(f"{table}_id"),
        )
        row = self.connection.execute(statement, list(columns.values())).fetchone()
        return int(row[0]) if row else 0

    def update(self, table: str, number: int, columns: Columns, *, stamp: bool = True) -> None:
        """Set columns of a row, with `stamp` also `last_updated`; raises LookupError where there is no row."""
        if not columns:
            raise ValueError(f"nothing was said that should change in {table} {number}")
        sets: list[sql.Composable] = [sql.SQL("{} = %s").format(sql.Identifier(name)) for name in columns]
        if stamp:
            sets.append(sql.SQL("last_updated = current_timestamp"))
        statement = sql.SQL("UPDATE {} SET {} WHERE {} = %s").format(
            sql.Identifier(table), sql.SQL(", ").join(sets), sql.Identifier(f"{table}_id")
        )
        if not self.connection.execute(statement, [*columns.values(), number]).rowcount:
            raise LookupError(f"totesys has no {table} {number}")

    def pick(self, table: str, random: Random) -> int:
        """Return the id of some row of a small table, of those that were there at the first question."""
        if table not in self._known:
            key, name = sql.Identifier(f"{table}_id"), sql.Identifier(table)
            found = self.connection.execute(sql.SQL("SELECT {} FROM {} ORDER BY 1").format(key, name)).fetchall()
            self._known[table] = [number for (number,) in found]
        if not self._known[table]:
            raise NotSeededError([table])
        return random.choice(self._known[table])

"""Inserts and updates of rows in totesys, by column name."""

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from random import Random
from typing import Any

import psycopg
from psycopg import sql

from totesys.errors import NotSeededError

type Columns = Mapping[str, Any]


class TotesysTables:
    """Writes the tables of totesys through one connection; values are parameters, names are quoted."""

    def __init__(self, connection: psycopg.Connection) -> None:
        """Write through `connection`."""
        self.connection = connection
        self._ids: dict[str, list[int]] = {}

    def transaction(self) -> AbstractContextManager[object]:
        """Return a new transaction in autocommit without an open one; else a context in the open transaction."""
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

    def update(self, table: str, row_id: int, columns: Columns, *, stamp: bool = True) -> None:
        """Set columns of a row, with `stamp` also `last_updated`; raises LookupError when the row does not exist."""
        if not columns:
            raise ValueError(f"no columns given to update in {table} {row_id}")
        sets: list[sql.Composable] = [sql.SQL("{} = %s").format(sql.Identifier(name)) for name in columns]
        if stamp:
            sets.append(sql.SQL("last_updated = current_timestamp"))
        statement = sql.SQL("UPDATE {} SET {} WHERE {} = %s").format(
            sql.Identifier(table), sql.SQL(", ").join(sets), sql.Identifier(f"{table}_id")
        )
        if not self.connection.execute(statement, [*columns.values(), row_id]).rowcount:
            raise LookupError(f"totesys has no {table} {row_id}")

    def pick(self, table: str, random: Random) -> int:
        """Return the id of a random row of a small table, whose ids are cached at the first call."""
        if table not in self._ids:
            key, name = sql.Identifier(f"{table}_id"), sql.Identifier(table)
            rows = self.connection.execute(sql.SQL("SELECT {} FROM {} ORDER BY 1").format(key, name)).fetchall()
            self._ids[table] = [row_id for (row_id,) in rows]
        if not self._ids[table]:
            raise NotSeededError([table])
        return random.choice(self._ids[table])

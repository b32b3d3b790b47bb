"""A table that is restructured between the batches of a group of interleavings, while others are woven around it."""

import random
from collections import Counter
from collections.abc import Callable

import psycopg
from psycopg import sql

from tests.chaos import restructuring
from tests.chaos.restructuring import MARKS
from totelake.tables import SOURCE_TABLES

_FIRST_KEY = 800_000
_MOST_CHANGES = 4
# What is done while a batch reads must wait for its end.
_TRIED = "SET lock_timeout = '30ms'"
_WAITED = "SET lock_timeout = '10s'"
_FOREIGN_KEYS = """
    SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint
    WHERE contype = 'f' AND %s::regclass IN (conrelid, confrelid) ORDER BY 1, 2
"""
_STATEMENTS = {
    "keep": "CREATE TABLE audit.{base} AS SELECT {columns} FROM {table}",
    "insert": "INSERT INTO {table} ({columns}) SELECT {values} FROM audit.{base} ORDER BY {key} LIMIT 1",
    "update": "UPDATE {table} SET {mark} WHERE {key} = {number}",
    "write the same": "UPDATE {table} SET {key} = {key} WHERE {key} = {number}",
    "change key": "UPDATE {table} SET {key} = {new} WHERE {key} = {number}",
    "delete": "DELETE FROM {table} WHERE {key} = {number}",
    "restore": "TRUNCATE {table}; INSERT INTO {table} ({columns}) SELECT {columns} FROM audit.{base}",
    "drop": "DROP TABLE {copy}, {child}, audit.{base}",
}
_CHANGES = ("insert", "update", "update", "write the same", "change key", "delete")

type Change = Callable[[psycopg.Connection, str], None]

# Of these one alone is done between two batches: done twice it would be undone, and what was written in between hidden.
_RESTRUCTURING: dict[str, Change] = {
    "column dropped and added": restructuring.replace_column,
    "columns swapped": restructuring.swap_columns,
    "tables swapped": restructuring.swap_tables,
    "child attached": restructuring.inherit,
    "child detached": restructuring.disinherit,
}
_TRUNCATIONS: dict[str, Change] = {
    "table truncated": restructuring.truncate,
    "table truncated and filled again": restructuring.refill,
}


def candidates(woven: list[str]) -> list[str]:
    """Return the tables that can be restructured while `woven` ones, which do not refer to them, are written to."""
    referred = {column.references for name in woven for column in SOURCE_TABLES[name].columns}
    return [name for name in SOURCE_TABLES if name not in woven and name not in referred]


class Restructured:
    """The table, from its rows at the beginning of a group to the same rows at the end.

    `told` has what was done, `events` how often. `is_other` says whether it has another shape, or is another table,
    than at the last batch.
    """

    def __init__(self, connection: psycopg.Connection, table: str, choice: random.Random) -> None:
        """Make a copy and a child, and drop the foreign keys to and from `table`; `connection` is its owner's."""
        self.table = table
        self.told: list[str] = []
        self.events: Counter[str] = Counter()
        self.is_other = False
        self._connection = connection
        self._choice = choice
        self._new_key = _FIRST_KEY
        self._foreign_keys = connection.execute(_FOREIGN_KEYS, [f"public.{table}"]).fetchall()
        # Who deletes from a table looks into those that refer to it, and who inserts into those that are referred to.
        self._constrain("ALTER TABLE {table} DROP CONSTRAINT {name}")
        self._do("keep")
        restructuring.make_copy(connection, table)
        restructuring.make_child(connection, table)

    def act(self) -> None:
        """Write some rows, truncate the table now and then, restructure it mostly, and write some rows again."""
        self._write()
        if self._choice.random() < 0.3:
            self._happen(*self._choice.choice(list(_TRUNCATIONS.items())))
            self._write()
        if self._choice.random() < 0.7:
            self._restructure()
            self._write()

    def try_while_read(self) -> None:
        """Do what no transaction may do while a batch reads: it has to be shut out."""
        self._connection.execute(_TRIED)
        try:
            if self._choice.random() < 0.5:
                self._happen(*self._choice.choice(list(_TRUNCATIONS.items())))
            else:
                # Postgres lets a child be attached to a table that others read: its rows are in sight at once.
                self._restructure(without="child attached")
        except psycopg.errors.LockNotAvailable:
            self.told.append("and was shut out by the batch")
            self.events["shut out while a batch read"] += 1
        finally:
            self._connection.execute(_WAITED)

    def hide(self) -> None:
        """Hide half of the rows from the reader."""
        self._happen("rows hidden by a policy", restructuring.hide_rows)

    def show(self) -> None:
        """Show them again."""
        restructuring.show_rows(self._connection, self.table)
        self.told.append("rows shown again")

    def restore(self) -> None:
        """Give the table its first rows again, and the foreign keys; the copy and the child go."""
        if restructuring.is_parent(self._connection, self.table):
            restructuring.disinherit(self._connection, self.table)
            self.is_other = True
        with self._connection.transaction():
            self._do("restore")
        self._do("drop")
        self._constrain("ALTER TABLE {table} ADD CONSTRAINT {name} {definition} NOT VALID")
        self.told.append("restored")

    def _constrain(self, statement: str) -> None:
        for referring, name, definition in self._foreign_keys:
            words = {
                "table": sql.SQL(referring),
                "name": sql.Identifier(name),
                "definition": sql.SQL(definition.removesuffix(" NOT VALID")),
            }
            self._connection.execute(sql.SQL(statement).format(**words))

    def _restructure(self, without: str = "") -> None:
        able = {name: change for name, change in _RESTRUCTURING.items() if name != without}
        is_parent = restructuring.is_parent(self._connection, self.table)
        if is_parent or restructuring.is_child(self._connection, self.table) or self._has_keys_of_child():
            able.pop("child attached", None)
        if not is_parent:
            del able["child detached"]
        if not self.is_other:
            self._happen(*self._choice.choice(list(able.items())))
            self.is_other = True

    def _has_keys_of_child(self) -> bool:
        key = SOURCE_TABLES[self.table].key[0]
        both = f"SELECT EXISTS (SELECT FROM public.{self.table} JOIN public.{self.table}_child USING ({key}))"
        [(found,)] = self._connection.execute(both.encode()).fetchall()
        return bool(found)

    def _happen(self, name: str, change: Change) -> None:
        self.told.append(name)
        with self._connection.transaction():
            change(self._connection, self.table)
        self.events[name] += 1

    def _write(self) -> None:
        key = SOURCE_TABLES[self.table].key[0]
        for _ in range(self._choice.randint(0, _MOST_CHANGES)):
            rows = self._connection.execute(f"SELECT {key} FROM public.{self.table} ORDER BY 1".encode()).fetchall()
            change = self._choice.choice(_CHANGES) if rows else "insert"
            number = self._choice.choice(rows)[0] if rows else 0
            self.told.append(f"{change} {number}")
            self._do(change, number)

    def _do(self, statement: str, number: int = 0) -> None:
        table = SOURCE_TABLES[self.table]
        [key] = table.key
        self._new_key += 1
        new = sql.Literal(self._new_key)
        words: dict[str, sql.Composable] = {
            "table": sql.Identifier("public", self.table),
            "copy": sql.Identifier("public", f"{self.table}_copy"),
            "child": sql.Identifier("public", f"{self.table}_child"),
            "base": sql.Identifier(f"base_{self.table}"),
            "key": sql.Identifier(key),
            "number": sql.Literal(number),
            "new": new,
            "mark": sql.SQL(MARKS[self.table]),
            "columns": sql.SQL(", ").join(map(sql.Identifier, table.column_names)),
            "values": sql.SQL(", ").join(new if name == key else sql.Identifier(name) for name in table.column_names),
        }
        self._connection.execute(sql.SQL(_STATEMENTS[statement]).format(**words))

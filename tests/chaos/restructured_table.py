"""A table that is restructured between the batches of a group of interleavings."""

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
# A change during the read of a batch must wait for its end.
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

# Between two batches only one of these: a second one could undo the first and hide rows written in between.
_RESTRUCTURING: dict[str, Change] = {
    "column dropped and added": restructuring.replace_column,
    "columns swapped": restructuring.swap_columns,
    "tables swapped": restructuring.swap_tables,
    "child attached": restructuring.attach_child,
    "child detached": restructuring.detach_child,
}
_TRUNCATIONS: dict[str, Change] = {
    "table truncated": restructuring.truncate,
    "table truncated and filled again": restructuring.refill,
}


def candidates(merged_steps: list[str]) -> list[str]:
    """Return the tables that can be restructured while the `written` ones, which do not reference them, change."""
    referred = {column.references for name in merged_steps for column in SOURCE_TABLES[name].columns}
    return [name for name in SOURCE_TABLES if name not in merged_steps and name not in referred]


class RestructuredTable:
    """A table, from its rows at the beginning of a group to the same rows at the end.

    `changes` lists what was done, `events` counts it. `is_changed` says whether it has another shape, or is another
    table, than at the last batch.
    """

    def __init__(self, connection: psycopg.Connection, table: str, choice: random.Random) -> None:
        """Create a copy and a child, and drop the foreign keys from and to `table`; `connection` is the owner's."""
        self.table = table
        self.changes: list[str] = []
        self.events: Counter[str] = Counter()
        self.is_changed = False
        self._connection = connection
        self._choice = choice
        self._new_key = _FIRST_KEY
        self._foreign_keys = connection.execute(_FOREIGN_KEYS, [f"public.{table}"]).fetchall()
        # DELETE checks the referencing tables, INSERT the referenced ones.
        self._constrain("ALTER TABLE {table} DROP CONSTRAINT {name}")
        self._do("keep")
        restructuring.make_copy(connection, table)
        restructuring.make_child(connection, table)

    def apply_changes(self) -> None:
        """Write some rows, sometimes truncate the table, usually restructure it, and write some rows again."""
        self._write()
        if self._choice.random() < 0.3:
            self._apply(*self._choice.choice(list(_TRUNCATIONS.items())))
            self._write()
        if self._choice.random() < 0.7:
            self._restructure()
            self._write()

    def try_while_read(self) -> None:
        """Try a change that must be blocked while a batch reads."""
        self._connection.execute(_TRIED)
        try:
            if self._choice.random() < 0.5:
                self._apply(*self._choice.choice(list(_TRUNCATIONS.items())))
            else:
                # Postgres does not block attaching a child to a table that is read: its rows are visible at once.
                self._restructure(without="child attached")
        except psycopg.errors.LockNotAvailable:
            self.changes.append("blocked by the batch")
            self.events["blocked while a batch was read"] += 1
        finally:
            self._connection.execute(_WAITED)

    def hide(self) -> None:
        """Hide half of the rows from the reader."""
        self._apply("rows hidden by a policy", restructuring.hide_rows)

    def show(self) -> None:
        """Show them again."""
        restructuring.show_rows(self._connection, self.table)
        self.changes.append("rows shown again")

    def restore(self) -> None:
        """Restore the original rows and the foreign keys; drop the copy and the child."""
        if restructuring.is_parent(self._connection, self.table):
            restructuring.detach_child(self._connection, self.table)
            self.is_changed = True
        with self._connection.transaction():
            self._do("restore")
        self._do("drop")
        self._constrain("ALTER TABLE {table} ADD CONSTRAINT {name} {definition} NOT VALID")
        self.changes.append("restored")

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
        if not self.is_changed:
            self._apply(*self._choice.choice(list(able.items())))
            self.is_changed = True

    def _has_keys_of_child(self) -> bool:
        key = SOURCE_TABLES[self.table].key[0]
        both = f"SELECT EXISTS (SELECT FROM public.{self.table} JOIN public.{self.table}_child USING ({key}))"
        [(has_common_keys,)] = self._connection.execute(both.encode()).fetchall()
        return bool(has_common_keys)

    def _apply(self, name: str, change: Change) -> None:
        self.changes.append(name)
        with self._connection.transaction():
            change(self._connection, self.table)
        self.events[name] += 1

    def _write(self) -> None:
        key = SOURCE_TABLES[self.table].key[0]
        for _ in range(self._choice.randint(0, _MOST_CHANGES)):
            rows = self._connection.execute(f"SELECT {key} FROM public.{self.table} ORDER BY 1".encode()).fetchall()
            change = self._choice.choice(_CHANGES) if rows else "insert"
            number = self._choice.choice(rows)[0] if rows else 0
            self.changes.append(f"{change} {number}")
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

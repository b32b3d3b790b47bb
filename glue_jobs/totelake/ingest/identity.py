"""What makes a source table the one that it is: what `xmin` cannot tell changes with it.

A row that a transaction wrote has a new `xmin`. The rows of a table can be others without that: another table has taken
its name, a child was attached, a column was dropped and added with a default. All of that is in Postgres' catalogs.
"""

import hashlib
from dataclasses import dataclass
from typing import Any

import psycopg

from totelake.lake.batches import TableIdentity
from totelake.tables import SourceTable

# One line for each column of each table and of its children. A value that ALTER TABLE … ADD COLUMN … DEFAULT gave to
# the rows that were there lies in the catalog, and so does the expression of a generated column, which is not put into
# words since that takes a lock. Temporary children show their rows to their own session only.
_FOUND = """
WITH RECURSIVE family AS (
    SELECT table_.oid AS root, table_.oid AS member
    FROM pg_class AS table_
    WHERE table_.relnamespace = 'public'::regnamespace AND table_.relname = ANY(%s)
    UNION
    SELECT family.root, link.inhrelid
    FROM family
    JOIN pg_inherits AS link ON link.inhparent = family.member
    JOIN pg_class AS child ON child.oid = link.inhrelid AND child.relpersistence <> 't'
)
SELECT root.relname, root.oid = member.oid, member.oid::bigint, member.oid::regclass::text, member.relkind::text,
       root.relrowsecurity, row_security_active(root.oid), own.attname, own.attnum, format_type(own.atttypid, NULL),
       format_type(own.atttypid, own.atttypmod),
       own.attnotnull AND NOT EXISTS (
           SELECT FROM pg_constraint AS unchecked
           WHERE unchecked.conrelid = own.attrelid AND unchecked.contype = 'n'
               AND own.attnum = ANY(unchecked.conkey) AND NOT unchecked.convalidated
       ),
       CASE WHEN length(own.attmissingval::text) > 100 THEN md5(own.attmissingval::text)
           ELSE own.attmissingval::text END,
       CASE WHEN own.attgenerated <> '' THEN md5(value.adbin::text) END
FROM family
JOIN pg_class AS root ON root.oid = family.root
JOIN pg_class AS member ON member.oid = family.member
JOIN pg_attribute AS own ON own.attrelid = member.oid AND own.attnum > 0 AND NOT own.attisdropped
LEFT JOIN pg_attrdef AS value ON value.adrelid = member.oid AND value.adnum = own.attnum
ORDER BY root.relname, root.oid = member.oid DESC, member.oid, own.attnum
"""
# Unique indexes of columns alone, on all rows; of a partitioned table an index is valid when every partition has it.
_UNIQUE = """
SELECT table_.relname, ARRAY(
    SELECT own.attname::text FROM pg_attribute AS own
    WHERE own.attrelid = table_.oid AND own.attnum = ANY((index_.indkey::int2[])[0:index_.indnkeyatts - 1])
)
FROM pg_index AS index_ JOIN pg_class AS table_ ON table_.oid = index_.indrelid
WHERE table_.relnamespace = 'public'::regnamespace AND table_.relname = ANY(%s)
    AND index_.indisunique AND index_.indisvalid AND index_.indpred IS NULL AND index_.indexprs IS NULL
"""
TABLE, PARTITIONED_TABLE = "r", "p"
KINDS = {"r": "table", "p": "partitioned table", "v": "view", "m": "materialized view", "f": "foreign table"}


@dataclass(frozen=True, slots=True)
class FoundColumn:
    """A column as it was found: its type without and with its modifier, and whether it may be NULL."""

    name: str
    type: str
    nullable: bool


@dataclass(frozen=True, slots=True)
class Found:
    """What the catalogs say of a table: `members` are itself and its children, by oid, each with its name and kind."""

    identity: TableIdentity
    members: dict[int, tuple[str, str]]
    filtered: bool
    columns: tuple[FoundColumn, ...]
    unique: tuple[frozenset[str], ...]

    @property
    def children(self) -> list[str]:
        """The tables that inherit from it and its partitions, as deep as they go."""
        return [name for oid, (name, _) in self.members.items() if oid != self.identity.oid]

    def has_unique(self, key: tuple[str, ...]) -> bool:
        """Return whether Postgres itself makes sure that every row has a `key`, and one of its own."""
        nullable = {column.name for column in self.columns if column.nullable}
        covered = not self.children or self.identity.kind == KINDS[PARTITIONED_TABLE]
        return covered and nullable.isdisjoint(key) and any(columns <= set(key) for columns in self.unique)


def find(connection: psycopg.Connection[Any], tables: list[SourceTable]) -> dict[str, Found]:
    """Return, by name, what is found of `tables` in the schema `public`; one that is missing is left out.

    In a transaction that holds a lock on them it is what the transaction reads.
    """
    declared = {table.name: table for table in tables}
    names = list(declared)
    encoding = connection.info.parameter_status("server_encoding") or ""
    unique: dict[str, list[frozenset[str]]] = {name: [] for name in names}
    for name, columns in connection.execute(_UNIQUE, (names,)):
        unique[name].append(frozenset(columns))
    lines: dict[str, list[tuple[Any, ...]]] = {}
    for name, *line in connection.execute(_FOUND, (names,)):
        lines.setdefault(name, []).append(tuple(line))
    return {name: _found(declared[name], encoding, found, unique[name]) for name, found in lines.items()}


def _found(table: SourceTable, encoding: str, lines: list[tuple[Any, ...]], unique: list[frozenset[str]]) -> Found:
    columns: list[FoundColumn] = []
    described: list[str] = []
    members: dict[int, tuple[str, str]] = {}
    children: dict[int, list[str]] = {}
    _, oid, _, kind, row_security, filtered, *_ = lines[0]
    for is_root, member, member_name, member_kind, _, _, name, number, type_, full_type, not_null, value, made in lines:
        members[member] = (member_name, member_kind)
        generated = f"generated {made}" if made else ""
        said = " ".join(filter(None, [str(number), name, full_type, _default(value), generated]))
        if is_root:
            columns.append(FoundColumn(name, type_, nullable=not not_null))
            described.append(said)
        else:
            children.setdefault(member, []).append(said)
    identity = TableIdentity(
        oid=oid,
        kind=KINDS.get(kind, kind),
        encoding=encoding,
        row_security=row_security,
        columns=tuple(described),
        children=tuple(_child(oid, *members[oid], said) for oid, said in children.items()),
        declared=tuple(f"{column.name} {column.type.spark}" for column in table.columns),
    )
    return Found(identity, members, filtered, tuple(columns), tuple(unique))


def _child(oid: int, name: str, kind: str, columns: list[str]) -> str:
    """Return what tells a child from every other, and from itself with other columns; partitions may be many."""
    digest = hashlib.sha256("\n".join(columns).encode()).hexdigest()[:16]
    return f"{oid} {name} {KINDS.get(kind, kind)} {digest}"


def _default(value: str | None) -> str:
    """Return what rows from before the column was added have in it, told apart from a column without such rows."""
    return "" if value is None else f"default {value}"
